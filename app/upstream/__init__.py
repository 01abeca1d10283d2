"""Calls to upstream services: one HTTP exchange, bounded in time and size, its outcome known."""
