"""The way to the services behind ours: one HTTP exchange, bounded in time and size, its outcome known."""
