"""FastAPI and a pooled aiohttp client."""

from contextlib import asynccontextmanager

import aiohttp

from .serving import bare, same

session: aiohttp.ClientSession
TIMEOUT = aiohttp.ClientTimeout(total=8)


@asynccontextmanager
async def lifespan(_):
    global session
    connector = aiohttp.TCPConnector(limit=512, limit_per_host=512)
    async with aiohttp.ClientSession(connector=connector, timeout=TIMEOUT) as session:
        yield


async def send(url: str, body: dict) -> dict:
    async with session.post(url, json=body, raise_for_status=True) as answer:
        return await answer.json()


async def post(url: str, body: dict) -> tuple[int, bytes]:
    try:
        async with session.post(url, json=body, allow_redirects=False) as answer:
            return answer.status, await answer.read()
    except (aiohttp.ClientError, TimeoutError):
        return 0, b""


async def get(url: str) -> tuple[int, dict]:
    async with session.get(url, timeout=aiohttp.ClientTimeout(total=1.5)) as answer:
        return answer.status, await answer.json()


app = bare(lifespan, send)
app_with_promises = same(lifespan, post, get)
