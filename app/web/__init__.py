"""The HTTP layer around the views."""
