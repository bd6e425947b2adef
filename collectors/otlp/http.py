"""OTLP over HTTP: protobuf and JSON, gzip, deflate and zstd, the status codes of the OTLP specification, /healthz."""

import asyncio
import hmac
from collections.abc import Callable
from typing import Any

from aiohttp import ClientPayloadError, web

from collectors.otlp.inflate import TooLarge, UnknownEncoding, inflated
from collectors.otlp.intake import Held, Intake, Refused
from collectors.otlp.status import ANSWERS, RETRY_SECONDS, body

PATHS = {
    "/v1/traces": "traces",
    "/v1/logs": "logs",
    "/v1/metrics": "metrics",
    "/v1development/profiles": "profiles",
}
PROTOBUF, JSON = "application/x-protobuf", "application/json"


class Exports:
    """The export requests of one receiver. `limit_bytes` bounds a body both compressed and not."""

    def __init__(self, intake: Intake, *, limit_bytes: int, token: str | None, body_seconds: float) -> None:
        self._intake, self._limit, self._body_seconds = intake, limit_bytes, body_seconds
        self._authorization = None if token is None else f"Bearer {token}".encode()

    async def answer(self, request: web.Request) -> web.Response:
        """200 when the payload is on the disk, otherwise the status that tells the client what to do."""
        signal, json = PATHS[request.path], request.content_type == JSON
        try:
            self._check(request, signal)
            with self._intake.holding(signal, "http") as held:
                payload = await self._payload(request, signal, held)
                await self._intake.accept(signal, "http", payload, json=json)
        except Refused as refused:
            return _refusal(refused, json=json)
        return web.Response(body=b"{}" if json else b"", content_type=JSON if json else PROTOBUF)

    def _check(self, request: web.Request, signal: str) -> None:
        """What can be refused before the body is read."""
        if self._authorization is not None:
            given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
            if not hmac.compare_digest(given, self._authorization):
                message = "a bearer token is needed, and this is not it"
                raise self._intake.refusal(signal, "http", "unauthorized", message)
        if request.content_type not in (PROTOBUF, JSON):
            message = f"content type {request.content_type!r}: send {PROTOBUF} or {JSON}"
            raise self._intake.refusal(signal, "http", "unsupported", message)
        self._intake.admit(signal, "http")
        if (request.content_length or 0) > self._limit:
            raise self._too_large(signal)

    async def _payload(self, request: web.Request, signal: str, held: Held) -> bytes:
        encoding = request.headers.get("Content-Encoding", "").strip().lower()
        try:
            async with asyncio.timeout(self._body_seconds):
                raw = await self._raw(request, held)
            payload = inflated(raw, encoding, self._limit)
        except TooLarge:
            raise self._too_large(signal) from None
        except UnknownEncoding as error:
            raise self._intake.refusal(signal, "http", "unsupported", str(error)) from None
        except (ValueError, ClientPayloadError, ConnectionError) as error:
            raise self._intake.refusal(signal, "http", "malformed", str(error) or "the body is truncated") from None
        except TimeoutError:
            message = f"no whole body within {self._body_seconds:g} s"
            raise self._intake.refusal(signal, "http", "timeout", message) from None
        held.add(len(payload))
        return payload

    async def _raw(self, request: web.Request, held: Held) -> bytes:
        parts, size = [], 0
        async for part in request.content.iter_any():
            size += len(part)
            if size > self._limit:  # a chunked body does not say its length before
                raise TooLarge
            held.add(len(part))
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _too_large(self, signal: str) -> Refused:
        message = f"more than {self._limit} bytes: send smaller batches, or start the receiver with a larger limit"
        return self._intake.refusal(signal, "http", "too_large", message)


def application(exports: Exports, health: Callable[[], tuple[bool, dict[str, Any]]]) -> web.Application:
    """The HTTP side of a receiver. Its runner must leave bodies compressed (`auto_decompress=False`)."""

    async def healthz(_: web.Request) -> web.Response:
        well, facts = health()
        return web.json_response(facts, status=200 if well else 503)

    app = web.Application()
    for path in PATHS:
        app.router.add_post(path, exports.answer)
    app.router.add_get("/healthz", healthz)
    return app


def _refusal(refused: Refused, *, json: bool) -> web.Response:
    answer = ANSWERS[refused.reason]
    headers = {"Retry-After": str(RETRY_SECONDS)} if answer.retry else {}
    if refused.reason == "unauthorized":
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(
        status=answer.http,
        body=body(refused.reason, str(refused), json=json),
        content_type=JSON if json else PROTOBUF,
        headers=headers,
    )
