"""Flask that checks nothing: hello, and a pass-through with a pooled requests.Session."""

import os

import requests
from flask import Flask, Response, request
from requests.adapters import HTTPAdapter

CHAT = os.environ["CHAT_SERVICE_URL"]

app = Flask(__name__)
session = requests.Session()
session.trust_env = False
session.mount("http://", HTTPAdapter(pool_maxsize=512))


@app.get("/v1")
def hello() -> dict[str, str]:
    return {"message": "Hello, World!"}


@app.post("/v1/send-message/<company_id>/<conversation_id>")
def send_message(company_id: str, conversation_id: str) -> Response:
    body = {"account_id": "account-1", "message_body": request.get_json()["message_body"]}
    answer = session.post(f"{CHAT}/send-message/{company_id}/{conversation_id}", json=body, timeout=8)
    return Response(answer.content, answer.status_code, mimetype="application/json")
