"""OTLP over gRPC: the four Export methods, raw bytes in, an empty response out.

grpc's own decompression is off: it inflates a message whole before it looks at its limit, and at half the speed.
"""

import asyncio
import hmac
from typing import Any

import grpc
import grpc.aio

from collectors.otlp.inflate import TooLarge, grpc_encoding, inflated
from collectors.otlp.intake import Intake, Refused
from collectors.otlp.status import ANSWERS, status

METHODS = {
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "traces",
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "logs",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "metrics",
    "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export": "profiles",
}


class _Exports(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """No (de)serializer: messages come as they were sent."""

    def __init__(self, intake: Intake, limit_bytes: int, token: str | None) -> None:
        self._intake, self._limit = intake, limit_bytes
        self._authorization = None if token is None else f"Bearer {token}".encode()

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a method, or None: UNIMPLEMENTED."""
        signal = METHODS.get(handler_call_details.method)
        if signal is None:
            return None
        try:
            self._check(signal, dict(handler_call_details.invocation_metadata or ()))
        except Refused as refusal:
            return _refusing(refusal)

        async def export(message: bytes, context: Any) -> bytes:
            try:
                # A caller that gives up does not take its bytes out of the log's queue: they count until they are done.
                await asyncio.shield(self._keep(signal, message))
            except Refused as refusal:
                await _abort(context, refusal)
            return b""

        return grpc.unary_unary_rpc_method_handler(export)

    def _check(self, signal: str, metadata: dict[str, Any]) -> None:
        """What can be refused before the message is read."""
        if self._authorization is not None:
            given = str(metadata.get("authorization", ""))
            if not hmac.compare_digest(given.encode(errors="surrogateescape"), self._authorization):
                message = "a bearer token is needed, and this is not it"
                raise self._intake.refusal(signal, "grpc", "unauthorized", message)
        self._intake.admit(signal, "grpc")

    async def _keep(self, signal: str, message: bytes) -> None:
        with self._intake.holding(signal, "grpc") as held:
            held.add(len(message))
            payload = self._payload(signal, message)
            held.add(len(payload))
            await self._intake.accept(signal, "grpc", payload)

    def _payload(self, signal: str, message: bytes) -> bytes:
        try:
            return inflated(message, grpc_encoding(message), self._limit)
        except TooLarge:
            text = f"more than {self._limit} bytes: send smaller batches, or start the receiver with a larger limit"
            raise self._intake.refusal(signal, "grpc", "too_large", text) from None
        except ValueError as error:
            raise self._intake.refusal(signal, "grpc", "malformed", str(error)) from None


def _refusing(refusal: Refused) -> Any:
    """A handler that never reads: of a unary method the whole message would be in memory before it is asked."""

    async def export(_: Any, context: Any) -> bytes:
        await _abort(context, refusal)
        return b""

    return grpc.stream_unary_rpc_method_handler(export)


async def _abort(context: Any, refusal: Refused) -> None:
    details = status(refusal.reason, str(refusal)).SerializeToString()
    await context.abort(ANSWERS[refusal.reason].grpc, str(refusal), (("grpc-status-details-bin", details),))


def server(intake: Intake, *, limit_bytes: int, token: str | None) -> grpc.aio.Server:
    """The gRPC side of a receiver, without a port yet."""
    options = [
        ("grpc.max_receive_message_length", limit_bytes),
        ("grpc.per_message_decompression", 0),
        ("grpc.so_reuseport", 0),  # a second receiver on the same port is told, not fed every other connection
    ]
    made = grpc.aio.server(options=options)
    made.add_generic_rpc_handlers((_Exports(intake, limit_bytes, token),))
    return made


def credentials(certificate: bytes, key: bytes) -> Any:
    """TLS for the server's port."""
    return grpc.ssl_server_credentials(((key, certificate),))
