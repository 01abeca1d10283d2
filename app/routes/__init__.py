"""The routes of the API: one module a tag, one blueprint a module. A new module is registered here."""

from app.routes import conversations

BLUEPRINTS = (conversations.blueprint,)
