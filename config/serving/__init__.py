"""How gunicorn serves the application: its worker, and the listener of METRICS_BIND beside it."""
