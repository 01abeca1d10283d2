"""The routes of the API: one module a tag, one blueprint a module. Every module here is registered."""

from importlib import import_module
from pkgutil import iter_modules

from flask import Blueprint

BLUEPRINTS: tuple[Blueprint, ...] = tuple(
    found
    for module in iter_modules(__path__)
    for found in vars(import_module(f"{__name__}.{module.name}")).values()
    if isinstance(found, Blueprint)
)
