"""The composition root: settings → services → web → routes. Nothing else wires anything."""

import logging
import logging.config
import os

from flask import Flask, Request
from werkzeug.routing import MapAdapter

from app import routes
from app.accounts import Accounts
from app.chat.client import Line
from app.idempotency import Idempotency
from app.stores import Store
from app.stores.failover import FailoverStore
from app.stores.memory import MemoryStore
from app.stores.opening import open_store
from app.tokens.fetched import MAX_SET_BYTES, FetchedKeys
from app.tokens.keys import FixedKeys, KeySource
from app.tokens.verifier import TokenVerifier
from app.upstream.breaker import Breaker
from app.upstream.exchange import Sender, Service
from app.upstream.slots import Slots
from app.upstream.transport import Transport
from app.web import health, logs, rendering, services
from app.web.limits import Limits
from app.web.operations import operations
from app.web.reference import data, pages
from config.logs import dictionary
from config.settings import Settings, SettingsError, load

logger = logging.getLogger(__name__)

# A send is over and recorded this many seconds after its deadline at the latest, or its worker is dead.
_SLACK = 5.0


class _Application(Flask):
    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        adapter = super().create_url_adapter(request)
        if adapter is not None:
            # An offer to upgrade is declined by ignoring it (RFC 9110 section 7.8); Werkzeug would answer 400.
            adapter.websocket = False
        return adapter


def create_app(
    settings: Settings | None = None, *, store: Store | None = None, transport: Sender | None = None
) -> Flask:
    """The application, ready to serve; it connects to nothing until the first request.

    Without settings they are read from the environment, and SettingsError names all that is wrong with them.
    DeclarationError names every route that is not declared as it must be.
    """
    settings = settings or load(os.environ)
    logging.config.dictConfig(dictionary(settings.log_level, "app"))
    app = _Application(__name__, static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # `//` within a path is another path, not a reason to redirect to whatever Host the client claims.
    app.url_map.merge_slashes = False
    rendering.install(app)
    logs.install(app)
    shared = store or _store(settings)
    limits = Limits(app, shared, settings.rate_limit)
    services.install(app.extensions, _services(settings, shared, limits, transport))
    reference = (data.blueprint, pages.blueprint) if settings.reference else ()
    for blueprint in (health.blueprint, *reference, *routes.BLUEPRINTS):
        app.register_blueprint(blueprint)
    declared = operations(app)
    if settings.reference:
        data.install(app.extensions, declared, settings.rate_limit)
    return app


def _services(settings: Settings, store: Store, limits: Limits, transport: Sender | None) -> services.Services:
    slots = Slots(max(1, settings.threads * 3 // 4))
    sender = transport or Transport()
    return services.Services(
        tokens=_tokens(settings, _keys(settings, slots, transport)),
        limits=limits,
        accounts=Accounts(_account_service(settings, sender), slots, lifetime=settings.account_cache_seconds),
        chat=Line(_chat_service(settings, sender), slots),
        idempotency=Idempotency(
            store, lease=settings.chat_timeout_seconds + _SLACK, dedupes=settings.chat_service_dedupes
        ),
        largest_body=settings.max_body_bytes,
        readers=Slots(max(2, settings.threads // 8)),
    )


def _store(settings: Settings) -> Store:
    try:
        opened = open_store(settings.store_url)
    except ValueError as error:
        raise SettingsError({"STORE_URL": [str(error)]}) from None
    if isinstance(opened, MemoryStore):
        logger.warning("limits are kept in the memory of this process only")
        # It cannot be lost; full of keys, it refuses keys and keeps its windows.
        return opened
    return FailoverStore(opened, processes=settings.web_concurrency)


def _keys(settings: Settings, slots: Slots, transport: Sender | None) -> KeySource:
    if settings.jwt_jwks_url is None:
        return FixedKeys.from_texts(settings.jwt_keys, settings.jwt_algorithms)
    sender = transport or Transport(max_body_bytes=MAX_SET_BYTES)
    return FetchedKeys(settings.jwt_jwks_url, settings.jwt_algorithms, transport=sender, slots=slots)


def _tokens(settings: Settings, keys: KeySource) -> TokenVerifier:
    return TokenVerifier(
        keys,
        algorithms=settings.jwt_algorithms,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        max_lifetime=settings.jwt_max_lifetime_seconds,
    )


def _account_service(settings: Settings, transport: Sender) -> Service:
    return Service(
        settings.account_service_url,
        token=settings.account_service_token,
        timeout=settings.account_timeout_seconds,
        transport=transport,
        breaker=Breaker(settings.breaker_threshold),
    )


def _chat_service(settings: Settings, transport: Sender) -> Service:
    return Service(
        settings.chat_service_url,
        token=settings.chat_service_token,
        timeout=settings.chat_timeout_seconds,
        transport=transport,
        breaker=Breaker(settings.breaker_threshold),
    )
