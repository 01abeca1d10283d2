"""Gunicorn as config/gunicorn.py sets it, without logs and without metrics: what these cost is the difference.

Metrics are turned on by config/gunicorn.py, so it is not read here: what it sets of serving is repeated.
"""

import os

wsgi_app = "wsgi:app"
bind = os.environ["BIND"]
worker_class = "config.worker.DeadlineWorker"
workers = int(os.environ["WEB_CONCURRENCY"])
threads = int(os.environ["THREADS"])
timeout = 30
keepalive = 5
control_socket_disable = True
worker_tmp_dir = "/dev/shm"  # noqa: S108 - as there
accesslog = None
