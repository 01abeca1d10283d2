"""The composition root: settings → services → web → routes. Nothing else wires anything."""

import logging
import logging.config
import os
import warnings

import jwt
from flask import Flask

from app import routes
from app.accounts import MAX_ANSWER_BYTES, Accounts
from app.idempotency import Idempotency
from app.stores import Store
from app.stores.factory import open_store
from app.stores.failover import FailoverStore
from app.stores.memory import MemoryStore
from app.tokens.fetched import MAX_SET_BYTES, FetchedKeys
from app.tokens.keys import FixedKeys, KeySource
from app.tokens.verifier import TokenVerifier
from app.upstream.breaker import Breaker
from app.upstream.exchange import Sender, Service
from app.upstream.responses import MAX_BODY_BYTES
from app.upstream.slots import Slots
from app.upstream.tracing import Traced
from app.upstream.transport import Transport
from app.web import health, rendering, services
from app.web.application import Application
from app.web.limits import Limits
from app.web.metrics import Metrics
from app.web.monitoring import Gauges, Monitor
from app.web.operations import hooks, operations, register
from app.web.proxies import Proxied
from app.web.reference import pages
from config import store_urls
from config.checks import rate_limit
from config.logs import dictionary, write
from config.settings import Settings, SettingsError, load

logger = logging.getLogger(__name__)

# Within this many seconds of its deadline, a send is finished and recorded, or its worker is dead.
_SLACK = 5.0


def create_app(
    settings: Settings | None = None, *, store: Store | None = None, transport: Sender | None = None
) -> Flask:
    """Return the application, ready to serve; it connects to nothing until the first request.

    Without `settings`, they are read from the environment; SettingsError lists everything that is wrong with them.
    DeclarationError lists every route that is not declared correctly.
    """
    settings = settings or load(os.environ)
    logging.config.dictConfig(dictionary(settings.log_level, "app"))
    # 32 bytes are enough even for HS512, and PyJWT's warning would be a log line that is not JSON.
    warnings.filterwarnings("ignore", category=jwt.InsecureKeyLengthWarning)
    app = _application(settings)
    shared = store or _store(settings)
    limits = Limits(app, shared, settings.rate_limit)
    made = _services(settings, shared, limits, transport)
    services.install(app.extensions, made)
    app.monitor = made.monitor
    rendering.install(app)
    app.after_request(made.monitor.note)
    # Hooks that are added to the application after this are refused.
    own_hooks = hooks(app)
    reference = (pages.blueprint,) if settings.reference else ()
    for blueprint in (health.blueprint, *reference, *routes.BLUEPRINTS):
        register(app, blueprint)
    declared = operations(app, rate_limit, own_hooks, routes.MODULES)
    made.monitor.operations = declared
    if settings.reference:
        pages.install(app.extensions, declared, settings.rate_limit)
    return app


def _application(settings: Settings) -> Application:
    app = Application(__name__, static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    # A path with `//` is a different path, not a reason to redirect to whatever Host the client sent.
    app.url_map.merge_slashes = False
    if settings.trusted_proxies:
        app.wsgi_app = Proxied(app.wsgi_app, settings.trusted_proxies)  # type: ignore[method-assign]
    return app


def _services(settings: Settings, store: Store, limits: Limits, transport: Sender | None) -> services.Services:
    slots = Slots(max(1, settings.threads * 3 // 4))
    keys = _keys(settings, slots, transport)

    def service(name: str, url: str, token: str | None, timeout: float, largest: int = MAX_BODY_BYTES) -> Service:
        sender = Traced(transport or Transport(max_body_bytes=largest))
        breaker = Breaker(name, settings.breaker_threshold)
        return Service(url, token=token, timeout=timeout, transport=sender, breaker=breaker, slots=slots)

    account = service(
        "account",
        settings.account_service_url,
        settings.account_service_token,
        settings.account_timeout_seconds,
        MAX_ANSWER_BYTES,
    )
    chat = service("chat", settings.chat_service_url, settings.chat_service_token, settings.chat_timeout_seconds)
    return services.Services(
        tokens=_tokens(settings, keys),
        limits=limits,
        accounts=Accounts(account, lifetime=settings.account_cache_seconds),
        chat=chat,
        idempotency=Idempotency(
            store, lease=settings.chat_timeout_seconds + _SLACK, dedupes=settings.chat_service_dedupes
        ),
        largest_body=settings.max_body_bytes,
        readers=Slots(max(min(2, settings.threads - 1), settings.threads // 8)),
        monitor=Monitor(Metrics(), _gauges(store, keys, slots, account.breaker, chat.breaker), write),
    )


def _gauges(store: Store, keys: KeySource, slots: Slots, *breakers: Breaker) -> Gauges:
    return lambda: {
        ("workers_ready",): keys.ready,
        ("keys_stale_workers",): keys.stale,
        ("keys_age_seconds",): keys.age_seconds,
        ("store_lost_workers",): isinstance(store, FailoverStore) and store.degraded,
        ("slots",): slots.count,
        ("slots_taken",): slots.in_use,
        **{("circuit_open_workers", breaker.service): breaker.open for breaker in breakers},
    }


def _store(settings: Settings) -> Store:
    try:
        opened = open_store(*store_urls.parse(settings.store_url))
    except ValueError as error:
        raise SettingsError({"STORE_URL": [str(error)]}) from None
    if isinstance(opened, MemoryStore):
        logger.warning("limits and keys are kept in the memory of this process only: they end with it")
        # No failover: it cannot be lost. When it is full of keys, it refuses new ones and limits go on.
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
