"""A signed token in, the verified user out."""
