"""What a developer needs to try the service: stand-ins behind it, tokens, and one command that runs it all.

The service never imports this package. It listens on loopback alone, and its key is of no use elsewhere.
"""
