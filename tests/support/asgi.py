"""Requests to an ASGI app without a socket: what it receives is told, what it sends is kept."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Sent:
    """What an app answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


async def ask(
    app: Any,
    method: str,
    path: str,
    *,
    body: bytes | Iterable[bytes] = b"",
    headers: dict[str, str] | None = None,
    leaves: asyncio.Event | None = None,
    query: str = "",
) -> Sent | None:
    """Return the answer to one request; None where nothing was sent.

    Args:
        app: the app.
        method: of the request.
        path: unquoted, as servers hand it over.
        body: in one or in several parts.
        headers: of the request.
        leaves: the caller leaves when it is set; by default it stays.
        query: what stands behind the question mark.
    """
    parts = [body] if isinstance(body, bytes) else list(body)
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if parts:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}
        await (leaves or asyncio.Event()).wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in (headers or {}).items()],
    }
    await app(scope, receive, send)
    if not sent:
        return None
    start, end = sent
    told = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
    return Sent(start["status"], told, end["body"])
