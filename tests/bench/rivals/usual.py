"""The whole service in Flask as it is usually written: PyJWT, marshmallow, Flask-Limiter on Valkey, a Session."""

import logging
import os
import time
import uuid
from functools import wraps

import jwt
import requests
from flask import Flask, abort, g, jsonify, request
from flask_limiter import Limiter
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate
from requests.adapters import HTTPAdapter

CHAT = os.environ["CHAT_SERVICE_URL"]
ACCOUNTS = os.environ["ACCOUNT_SERVICE_URL"]
LIFETIME = 30

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
logging.getLogger("werkzeug").setLevel(logging.WARNING)
logger = logging.getLogger("send_message")

app = Flask(__name__)
session = requests.Session()
session.mount("http://", HTTPAdapter(pool_maxsize=512))
limiter = Limiter(
    lambda: g.user,
    app=app,
    storage_uri=f"redis+unix://{os.environ['VALKEY_SOCKET']}",
    strategy="moving-window",
    headers_enabled=True,
)
_accounts: dict[str, tuple[float, list[dict]]] = {}


class NewMessage(Schema):
    class Meta:
        unknown = EXCLUDE

    message_body = fields.String(required=True, validate=validate.Length(min=1))


class SentMessage(Schema):
    class Meta:
        unknown = EXCLUDE

    conversation_id = fields.String(required=True)
    author = fields.String(required=True)
    body = fields.String(required=True)
    date_created = fields.String(required=True)
    is_me = fields.Boolean(required=True)
    message_type = fields.String(required=True)
    sent_by_id = fields.String(required=True)
    sent_by_username = fields.String(required=True)
    message_id = fields.String(required=True)


new_message, sent_message = NewMessage(), SentMessage()


def authenticated(view):
    @wraps(view)
    def checked(*args, **kwargs):
        _, _, token = request.headers.get("Authorization", "").partition(" ")
        try:
            claims = jwt.decode(
                token,
                os.environ["JWT_SECRET"],
                algorithms=["HS256"],
                issuer=os.environ["JWT_ISSUER"],
                audience=os.environ["JWT_AUDIENCE"],
                options={"require": ["exp", "sub"]},
            )
        except jwt.InvalidTokenError:
            abort(401)
        g.user = claims["sub"]
        return view(*args, **kwargs)

    return checked


def find_account(company_id: str) -> dict:
    kept = _accounts.get(g.user)
    if kept is None or kept[0] < time.monotonic():
        answer = session.get(f"{ACCOUNTS}/users/{g.user}/accounts", timeout=1.5)
        answer.raise_for_status()
        kept = _accounts[g.user] = (time.monotonic() + LIFETIME, answer.json()["accounts"])
    mine = [account for account in kept[1] if account["company_id"] == company_id]
    if not mine:
        abort(400)
    if not mine[0]["active"] or "conversations" not in mine[0]["roles"]:
        abort(403)
    return mine[0]


@app.get("/v1")
def version():
    return {"message": "API"}


@app.post("/v1/send-message/<company_id>/<conversation_id>")
@authenticated
@limiter.limit(os.environ["RATE_LIMIT"])
def send_message(company_id: str, conversation_id: str):
    company_id, conversation_id = str(uuid.UUID(company_id)), str(uuid.UUID(conversation_id))
    account = find_account(company_id)
    try:
        body = new_message.load(request.get_json())
    except ValidationError:
        abort(400)
    answer = session.post(
        f"{CHAT}/send-message/{company_id}/{conversation_id}",
        json={"account_id": account["account_id"], "message_body": body["message_body"]},
        timeout=8,
    )
    answer.raise_for_status()
    message = sent_message.load(answer.json())
    return jsonify({"message": "Message sent successfully!", "data": message})


@app.after_request
def log(response):
    logger.info("%s %s %s user=%s", request.method, request.path, response.status_code, g.get("user"))
    return response
