"""gunicorn's configuration; its timeouts follow from the settings.

Read by the master, and again on SIGHUP. It imports nothing from `app`, so that workers started by SIGHUP load the
code that is on disk then.
"""

import gc
import os
import resource
import sys
from functools import partial
from pathlib import Path
from typing import NoReturn

from gunicorn.arbiter import Arbiter  # type: ignore[import-untyped]

from config.logs import dictionary
from config.serving import metric_files
from config.serving.arrivals import BODY_SECONDS, HEAD_SECONDS, LARGEST_HEAD
from config.serving.companion import Companion
from config.serving.master import mend
from config.serving.renewal import loaded, renew
from config.serving.worker import DeadlineWorker
from config.settings import SettingsError, load

try:
    _settings = load(os.environ)
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    raise SystemExit(1) from None

# Must precede the import of prometheus_client in any worker, or in this process if the application is preloaded.
_folder = metric_files.make_folder()
wsgi_app = "wsgi:app"
bind = _settings.bind
worker_class = "config.serving.worker.DeadlineWorker"
workers = _settings.web_concurrency
threads = _settings.threads
# Replaces a worker that hangs as a whole; requests have their own deadlines.
timeout = 30
# Longer than the longest request, counted from its first byte, so that a deploy interrupts none.
_longest = HEAD_SECONDS + BODY_SECONDS + _settings.account_timeout_seconds + _settings.chat_timeout_seconds
graceful_timeout = int(_longest) + 5
keepalive = 5
# gunicorn-h1c, in C: finds the same end of a request as the Python parser, in a quarter of its time.
http_parser = "fast"
control_socket_disable = True
# A worker that runs out of file descriptors exits, with all its requests: it accepts only as many connections as
# leave enough descriptors for its threads.
_most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
_files = 65536 if _most_files == resource.RLIM_INFINITY else min(_most_files, 65536)
resource.setrlimit(resource.RLIMIT_NOFILE, (_files, _most_files))
worker_connections = max(threads + 1, min(1000, _files - 64 - 6 * threads))
# For the workers' heartbeat files. In memory if possible: a disk may be slow or read-only.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - gunicorn picks an unguessable name
# The worker limits the request head as a whole; the application limits the length of a token.
limit_request_field_size = LARGEST_HEAD
# By default a client of a proxy on this machine could set SCRIPT_NAME, and so a path that the proxy has not seen.
forwarder_headers = ""
# Nothing depends on the scheme either. gunicorn would reject a request in which two such headers disagree, and one
# of them may be the client's.
secure_scheme_headers: dict[str, str] = {}
# Warnings logged by libraries reach the root logger.
logconfig_dict = dictionary(_settings.log_level, "gunicorn.error")
logconfig_dict["root"] = {"level": "WARNING", "handlers": ["stderr"]}


def nworkers_changed(server: Arbiter, count: int, before: int | None) -> None:
    """Tell the workers how many there are, even with `-w`; gunicorn calls this before it preloads the application.

    With memory:// SIGTTIN adds no worker: it could not start, and would take the first one down with it.
    """
    if before and count > 1 and _settings.store_url.startswith("memory:"):
        server.log.error("worker refused", extra={"reason": "memory:// counts in one process only."})
        server.num_workers = 1
        return
    if count:
        # It is 0 when SIGWINCH stops all workers of a daemon; SIGHUP brings them back.
        os.environ["WEB_CONCURRENCY"] = str(count)


def on_starting(server: Arbiter) -> None:
    """Bind METRICS_BIND; exit if that fails, or if memory:// is set with several workers."""
    if server.cfg.workers > 1 and _settings.store_url.startswith("memory:"):
        _refuse("STORE_URL: memory:// counts in one process only, and there are several workers.")
    server.companion = Companion(server, _settings.metrics_bind, _folder)
    if "GUNICORN_PID" in os.environ:
        # After SIGUSR2 the old master holds the address until it exits.
        return
    try:
        server.companion.bind()
    except OSError as error:
        _refuse(f"METRICS_BIND: {_settings.metrics_bind} cannot be listened on: {error.strerror}.")


def when_ready(server: Arbiter) -> None:
    """Start the listener, and make SIGHUP change nothing if new workers could not start."""
    mend(server)
    server.companion.attach()
    server.handle_hup = partial(renew, server, loaded())


def post_fork(server: Arbiter, worker: DeadlineWorker) -> None:
    """Give the worker the application's body limit, and let its metrics continue those of a worker that ended."""
    worker.largest_body = _settings.max_body_bytes
    server.companion.release()
    try:
        metric_files.take_over(Path(_folder))
        metric_files.make_room(Path(_folder))
    except OSError as error:
        # The worker serves, with metrics of its own that are not aggregated.
        os.environ.pop(metric_files.VARIABLE, None)
        told = {"exception": type(error).__name__}
        server.log.error("metrics not shared", extra=told)  # noqa: TRY400 - a single line, no traceback


def post_worker_init(worker: DeadlineWorker) -> None:
    """Give the worker the application's `watch`, which a wrapper around the application may hide."""
    worker.watch = getattr(worker.wsgi, "watch", None)
    # Objects loaded by now are permanent: the garbage collector need not scan them again.
    gc.collect()
    gc.freeze()


def on_exit(server: Arbiter) -> None:
    """Stop the listener."""
    server.companion.end()


def _refuse(sentence: str) -> NoReturn:
    sys.stderr.write(f"{SettingsError.BEGINNING}\n  {sentence}\n")
    raise SystemExit(1)
