"""The API reference that the service serves."""
