"""The two FastAPI applications, over a client that each of their modules brings."""

import os
import time
from collections.abc import Awaitable, Callable

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from . import promises

CHAT, ACCOUNTS = os.environ["CHAT_SERVICE_URL"], os.environ["ACCOUNT_SERVICE_URL"]
ROUTE = "/v1/send-message/{company_id}/{conversation_id}"

Post = Callable[[str, dict], Awaitable[tuple[int, bytes]]]
Get = Callable[[str], Awaitable[tuple[int, dict]]]


class NewMessage(BaseModel):
    message_body: str


def bare(lifespan, post: Callable[[str, dict], Awaitable[dict]]) -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.get("/v1")
    async def version() -> dict[str, str]:
        return {"message": "API"}

    @app.post(ROUTE)
    async def send_message(company_id: str, conversation_id: str, message: NewMessage) -> JSONResponse:
        body = {"account_id": "account-1", "message_body": message.message_body}
        sent = await post(f"{CHAT}/send-message/{company_id}/{conversation_id}", body)
        return JSONResponse({"message": "Message sent successfully!", "data": sent})

    return app


def same(lifespan, post: Post, get: Get) -> FastAPI:
    app = FastAPI(lifespan=lifespan)

    @app.get("/v1")
    async def version() -> dict[str, str]:
        return {"message": "API"}

    async def accounts_of(user: str) -> list[dict]:
        accounts = promises.accounts_of(user)
        if accounts is None:
            status, document = await get(f"{ACCOUNTS}/users/{user}/accounts")
            if status != 200:
                raise promises.Refusal(500, "ACCOUNT_SERVICE_UNAVAILABLE")
            accounts = document["accounts"]
            promises.remember(user, accounts)
        return accounts

    async def sent(user: str, company_id: str, conversation_id: str, request: Request) -> bytes:
        company_id, conversation_id = promises.canonical(company_id), promises.canonical(conversation_id)
        account = promises.account_in(company_id, await accounts_of(user))
        text = promises.read(await request.body())
        answer = await post(
            f"{CHAT}/send-message/{company_id}/{conversation_id}",
            {"account_id": account["account_id"], "message_body": text},
        )
        return promises.checked(*answer, conversation_id)

    @app.post(ROUTE)
    async def send_message(company_id: str, conversation_id: str, request: Request) -> Response:
        started, user, code, status = time.monotonic(), None, None, 200
        request_id = request.headers.get("x-request-id") or promises.new_id()
        headers = {"X-Request-ID": request_id, "Cache-Control": "no-store"}
        try:
            user = promises.verified(request.headers.get("authorization", ""))
            headers.update(await promises.admitted(user))
            content = await sent(user, company_id, conversation_id, request)
            headers["X-Send-Outcome"] = "sent"
        except promises.Refusal as refusal:
            status, code = refusal.status, refusal.code
            content = promises.error_body(status, code, request.url.path)
            headers["X-Send-Outcome"] = "unknown" if code == "SEND_OUTCOME_UNKNOWN" else "not_sent"
        promises.log(request_id, ROUTE, status, code, user, started)
        return Response(content, status, headers, "application/json")

    return app
