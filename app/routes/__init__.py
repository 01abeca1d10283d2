"""The routes of the API: one module a tag, one blueprint a module. Every module below here is registered."""

from importlib import import_module
from pkgutil import walk_packages

from flask import Blueprint

# Each once, although the modules of a package share one.
BLUEPRINTS: tuple[Blueprint, ...] = tuple(
    dict.fromkeys(
        found
        for module in walk_packages(__path__, f"{__name__}.")
        for found in vars(import_module(module.name)).values()
        if isinstance(found, Blueprint)
    )
)
