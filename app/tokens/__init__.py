"""Token verification: from a signed token to its verified user."""
