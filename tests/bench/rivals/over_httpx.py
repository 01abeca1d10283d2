"""FastAPI and a pooled httpx client."""

from contextlib import asynccontextmanager

import httpx

from .serving import bare, same

client: httpx.AsyncClient


@asynccontextmanager
async def lifespan(_):
    global client
    limits = httpx.Limits(max_connections=512, max_keepalive_connections=512)
    async with httpx.AsyncClient(limits=limits, timeout=8, trust_env=False) as client:
        yield


async def send(url: str, body: dict) -> dict:
    answer = await client.post(url, json=body)
    answer.raise_for_status()
    return answer.json()


async def post(url: str, body: dict) -> tuple[int, bytes]:
    try:
        answer = await client.post(url, json=body)
    except httpx.HTTPError:
        return 0, b""
    return answer.status_code, answer.content


async def get(url: str) -> tuple[int, dict]:
    answer = await client.get(url, timeout=1.5)
    return answer.status_code, answer.json()


app = bare(lifespan, send)
app_with_promises = same(lifespan, post, get)
