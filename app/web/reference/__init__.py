"""The reference that the service serves about itself."""
