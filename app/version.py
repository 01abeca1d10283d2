"""The version of the service: the one place that says it."""

VERSION = "0.1.0"
