"""The version of the service, defined only here."""

VERSION = "0.1.0"
