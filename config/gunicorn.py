"""Gunicorn's configuration; its timeouts follow from the settings.

The master reads it, and again on SIGHUP. It imports nothing of `app`, so that workers started by SIGHUP load the
code that is on disk then.
"""

import gc
import os
import resource
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

from gunicorn import SERVER_SOFTWARE  # type: ignore[import-untyped]
from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from config.logs import dictionary
from config.serving import metric_files
from config.serving.arrivals import BODY_SECONDS, HEAD_SECONDS, LARGEST_HEAD
from config.serving.companion import Companion
from config.serving.master import accept_stops, mend
from config.serving.publisher import Publisher
from config.serving.renewal import loaded, renew
from config.serving.worker import DeadlineWorker
from config.settings import SERVER, SettingsError, load

try:
    _settings = load({**os.environ, SERVER: SERVER_SOFTWARE})
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    raise SystemExit(1) from None

wsgi_app = "wsgi:app"
bind = _settings.bind
worker_class = "config.serving.worker.DeadlineWorker"
workers = _settings.web_concurrency
threads = _settings.threads
# A worker that hangs as a whole is replaced; requests have deadlines of their own.
timeout = 30
# More than the longest request takes from its first byte on, so that a deploy cuts none off.
_longest = HEAD_SECONDS + BODY_SECONDS + _settings.account_timeout_seconds + _settings.chat_timeout_seconds
graceful_timeout = int(_longest) + 5
keepalive = 5
# gunicorn-h1c, in C: ends requests where the parser in Python does, in a quarter of its time.
http_parser = "fast"
control_socket_disable = True
# Each connection is an open file: a worker accepts only as many as leave room for what its threads open.
_most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
_files = 65536 if _most_files == resource.RLIM_INFINITY else min(_most_files, 65536)
resource.setrlimit(resource.RLIMIT_NOFILE, (_files, _most_files))
worker_connections = max(threads + 1, min(1000, _files - 64 - 6 * threads))
# For the workers' heartbeat files. In memory if possible: a disk may be slow, or read-only.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - names are unguessable
# The worker limits the head as a whole, the application the length of a token.
limit_request_field_size = LARGEST_HEAD
# By default a client behind a proxy on this machine could set another path than the proxy saw (SCRIPT_NAME).
forwarder_headers = ""
# Nothing depends on the scheme either. Gunicorn would reject a request in which two such headers disagree, and one
# of them may be the client's.
secure_scheme_headers: dict[str, str] = {}
# Libraries log their warnings to the root logger.
logconfig_dict = dictionary(_settings.log_level, "gunicorn.error")
logconfig_dict["root"] = {"level": "WARNING", "handlers": ["stderr"]}


def nworkers_changed(server: Arbiter, count: int, before: int | None) -> None:
    """Tell workers how many they and their threads are, also with `-w` and `--threads`, and where they count.

    Gunicorn calls this before it preloads the application, which imports prometheus_client, and not for
    `--check-config`: the trial of a reload counts nowhere, as in full memory a write would end it (SIGBUS).

    With a memory:// store, SIGTTIN adds no worker: that could not start, and would be tried again for ever.
    """
    metric_files.own_folder()
    if before and count > 1 and _settings.store_url.startswith("memory:"):
        server.log.error("worker refused", extra={"reason": "memory:// counts in one process only."})
        server.num_workers = 1
        return
    if count:
        # Not 0: SIGWINCH stops all workers of a daemon, and SIGHUP brings them back.
        os.environ["WEB_CONCURRENCY"] = str(count)
    # With fewer threads than the application knows of, all of them could wait for other services. It takes no 1.
    os.environ["THREADS"] = str(max(2, server.cfg.threads))


def on_starting(server: Arbiter) -> None:
    """Bind METRICS_BIND; exit if that fails, or if the workers could not serve as they are told to."""
    if server.cfg.workers > 1 and _settings.store_url.startswith("memory:"):
        _refuse("STORE_URL: memory:// counts in one process only, and there are several workers.")
    if server.cfg.is_ssl and issubclass(server.worker_class, DeadlineWorker):
        # It would serve plain HTTP where TLS is expected.
        _refuse("certfile and keyfile: this worker speaks no TLS; let a proxy in front do so.")
    server.companion = Companion(server, _settings.metrics_bind, metric_files.own_folder())
    if "GUNICORN_PID" in os.environ:
        # After SIGUSR2 the old master has the address until it ends.
        return
    try:
        server.companion.bind()
    except OSError as error:
        _refuse(f"METRICS_BIND: {_settings.metrics_bind} cannot be listened on: {error.strerror}.")


def when_ready(server: Arbiter) -> None:
    """Have the master run the listener, and let SIGHUP change nothing if new workers could not start."""
    mend(server)
    server.companion.attach()
    server.handle_hup = partial(renew, server, loaded())


def post_fork(server: Arbiter, worker: DeadlineWorker) -> None:
    """Set the worker's body limit to the application's, and continue the metrics of a worker that has ended."""
    worker.largest_body = _settings.max_body_bytes
    server.companion.release()
    folder = Path(metric_files.own_folder())
    try:
        metric_files.take_over(folder)
        metric_files.make_room(folder)
    except OSError as error:
        # It counts for itself alone, and serves.
        os.environ.pop(metric_files.VARIABLE, None)
        told = {"exception": type(error).__name__}
        server.log.error("metrics not shared", extra=told)  # noqa: TRY400 - one line


def post_worker_init(worker: DeadlineWorker) -> None:
    """Let the worker be told to stop, and connect it to the application's monitor, which a wrapper may hide."""
    accept_stops()
    worker.monitor = getattr(worker.wsgi, "monitor", None)
    worker.notify = Publisher(worker, worker.monitor)
    # What is loaded by now stays: the garbage collector need not scan it again and again.
    gc.collect()
    gc.freeze()


def on_exit(server: Arbiter) -> None:
    """End the listener. The metrics folder goes with the master's own end (`metric_files.own_folder`)."""
    server.companion.end()


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(f"{SettingsError.BEGINNING}\n  {sentence}\n")
    raise SystemExit(1)
