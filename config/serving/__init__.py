"""Serving with gunicorn: the worker, changes to the master, and the METRICS_BIND listener beside them."""
