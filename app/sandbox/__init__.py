"""A sandbox for trying the service: stand-ins for its upstream services, tokens, and one command to run it all.

The service never imports this package. It listens on loopback only, and its key is of no use elsewhere.
"""
