"""What alerts are for, made for real: faults of the services behind, the store and the keys."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from socket import MSG_PEEK, socket

from tests.people import ACME, account
from tests.system.behaviours import answers, hangs, http_answer
from tests.system.clients import ask, sending
from tests.system.faults import acts
from tests.system.faults.acts import late, taking
from tests.system.faults.catalogue import DELIVERS
from tests.system.faults.doors import Door
from tests.system.faults.laboratory import Act, Exchange
from tests.system.faults.losses import valkey_stopped
from tests.system.faults.stage import Report, Stage
from tests.system.faults.watches import Fault, watched
from tests.system.processes import await_until
from tests.system.servers import Server
from tests.unit import key_servers
from tests.unit.key_servers import KeyServer, forged, publishes
from tests.unit.upstream.peers import Caller


def chat_service(stage: Stage, *names: str) -> Report:
    """It is gone, fails, is replaced, is slow, and hangs; or only what is named."""
    with watched(stage, "chat service", {"CHAT_TIMEOUT_SECONDS": "3.5"}, callers=20) as scene:
        scene.calm(5)
        for fault in _faults_of_chat(stage):
            if fault.name in names or not names:
                scene.play(fault)
    return scene.report


def _faults_of_chat(stage: Stage) -> list[Fault]:
    def usual(act: Act) -> None:
        stage.laboratory.usual = act

    def shut() -> None:
        # Connections that it has answer once more: then none is cut off with a message on it.
        usual(taking(acts.hanging_up))
        stage.laboratory.door.shut()

    def reopen() -> None:
        usual(DELIVERS.act)
        stage.laboratory.door.open()

    deliver = partial(usual, DELIVERS.act)
    return [
        Fault("down", {"SendsFailing": "refused", "ChatServiceUnreachable": "Failed to connect"}, shut, reopen),
        Fault("500", {"SendsUnknown": "status_5xx"}, partial(usual, taking(answers(500, {}))), deliver),
        Fault(
            "another one answers",
            {"SendsRefused": "INVALID_CONVERSATION_ID"},
            partial(usual, partial(acts.refusing, 404)),
            deliver,
        ),
        Fault("slow", {"ChatServiceSlow": r"\b27\d\d"}, partial(usual, late(2.7)), deliver),
        Fault(
            "hangs",
            {"SendsUnknown": "deadline", "ChatServiceSlow": r"\b35\d\d"},
            partial(usual, taking(hangs)),
            deliver,
        ),
    ]


def others_behind(stage: Stage) -> Report:
    """The credential for the chat service is refused, the account service is gone, the store is lost."""
    token = stage.folder / "token"
    token.write_text("old")
    with valkey_stopped(stage.folder / "store") as store, Door(_tells_accounts).open() as door:
        settings = {
            "CHAT_SERVICE_TOKEN_FILE": str(token),
            "ACCOUNT_SERVICE_URL": f"http://127.0.0.1:{door.port}",
            "ACCOUNT_CACHE_SECONDS": "0",
            "STORE_URL": store.url,
        }
        with watched(stage, "others behind", settings, keyed=4) as scene:
            scene.calm(5)
            scene.play(_refused_credential(stage, scene.server, token))
            scene.play(_no_accounts(door))
            keyed = {"StoreLost": "store lost", "SendsFailing": "IDEMPOTENCY_UNAVAILABLE"}
            scene.play(Fault("store stopped", keyed, store.lose, store.restore))
    return scene.report


def _refused_credential(stage: Stage, server: Server, token: Path) -> Fault:
    """Mended as the runbook says: another credential in the file, and SIGHUP."""

    def act(exchange: Exchange) -> None:
        head = exchange.sock.recv(4000, MSG_PEEK)
        (DELIVERS.act if b"Bearer new\r\n" in head else partial(acts.refusing, 401))(exchange)

    def change() -> None:
        stage.laboratory.usual = act

    def renew() -> None:
        (token.parent / "beside").write_text("new")
        (token.parent / "beside").replace(token)
        server.renew()

    expected = {"SendsFailing": "CHAT_SERVICE_AUTH", "ChatCredentialRefused": "CHAT_SERVICE_TOKEN"}
    return Fault("credential refused", expected, change, renew)


def _tells_accounts(sock: socket) -> None:
    caller = Caller(sock, [])
    while True:
        caller.request()
        caller.send(http_answer(200, {"accounts": [account(ACME)]}))


def _no_accounts(door: Door) -> Fault:
    def shut() -> None:
        door.shut()
        door.hang_up()

    expected = {
        "SendsFailing": "ACCOUNT_SERVICE_UNAVAILABLE refused",
        "AccountServiceFailing": "Failed to connect",
    }
    return Fault("account service down", expected, shut, door.open)


def keys(stage: Stage) -> Report:
    """The key server is not there at the start, and later not there again."""
    with KeyServer(unavailable := key_servers.answers(503)) as server:
        names = {"JWT_SECRET": "", "JWT_ALGORITHMS": "RS256", "JWT_JWKS_URL": server.url}
        with watched(stage, "keys", names, ready=False) as scene:
            publish = partial(setattr, server, "behaviour", publishes("RSA"))
            missing = {"KeysMissing": "keys missing", "NotReady": "no key to verify"}
            scene.play(Fault("never there", missing, lambda: None, publish))
            fail = partial(_ask_for_unknown_keys, scene.server, partial(setattr, server, "behaviour", unavailable))
            scene.play(Fault("gone", {"KeysStale": "keys stale"}, fail, publish))
    return scene.report


def _ask_for_unknown_keys(server: Server, fail: Callable[[], object]) -> None:
    """An unknown key lets each worker fetch the set, half a minute after it last did."""
    fail()

    def stale() -> bool:
        ask(server.port, sending(headers={"Authorization": f"Bearer {forged('unknown')}"}))
        return len(server.events("keys stale")) == 2

    await_until(stale, lambda: f"not stale:\n{server.log}", 60)
