"""The routes of the API: one module a tag, one blueprint a module. Every module below here is registered."""

from importlib import import_module
from pkgutil import walk_packages

from flask import Blueprint

MODULES = tuple(import_module(found.name) for found in walk_packages(__path__, f"{__name__}."))
# Each once, although the modules of a package share one.
BLUEPRINTS: tuple[Blueprint, ...] = tuple(
    dict.fromkeys(found for module in MODULES for found in vars(module).values() if isinstance(found, Blueprint))
)
