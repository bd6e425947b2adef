"""Both servers of a receiver on one event loop: listen, say where, stop."""

from pathlib import Path

import grpc.aio
from aiohttp import web

from collectors.otlp import grpc_server, http
from collectors.otlp.health import Health
from collectors.otlp.intake import Intake
from collectors.otlp.options import Address, Options, address_of, tls_context
from workbench.lake.errors import LakeError

GRACE_SECONDS = 5  # for requests that are being answered when the receiver stops
IDLE_SECONDS = 120  # a connection without a whole request head; exporters send every minute or more often


class Servers:
    """The HTTP and the gRPC side of a receiver; `http` and `grpc` are where they listen."""

    def __init__(self, options: Options, intake: Intake, health: Health) -> None:
        self._options = options
        self.http, self.grpc = address_of(options.http), address_of(options.grpc)
        self._tls = None
        if options.tls_certificate is not None and options.tls_key is not None:
            self._tls = (options.tls_certificate, options.tls_key)
        limit, token = options.max_request_bytes, options.token
        exports = http.Exports(intake, limit_bytes=limit, token=token, body_seconds=options.body_seconds)
        application = http.application(exports, health.facts)
        self._runner = web.AppRunner(
            application,
            access_log=None,
            auto_decompress=False,
            shutdown_timeout=GRACE_SECONDS,
            keepalive_timeout=IDLE_SECONDS,
        )
        self._grpc: grpc.aio.Server = grpc_server.server(intake, limit_bytes=limit, token=token)

    async def start(self) -> None:
        """Listen on both.

        Raises:
            BadParameter: the TLS files cannot be used.
            LakeError: an address cannot be listened on.
        """
        context = tls_context(*self._tls) if self._tls else None
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.http.host, self.http.port, ssl_context=context).start()
        except OSError as error:
            raise _taken(self.http, "HTTP", error) from error
        self.http = Address(self.http.host, self._runner.addresses[0][1])
        try:
            port = self._grpc_port(str(self.grpc))
        except RuntimeError as error:
            raise _taken(self.grpc, "gRPC", error) from error
        self.grpc = Address(self.grpc.host, port)
        await self._grpc.start()

    async def stop(self) -> None:
        """Take no new requests, answer those that are here."""
        await self._grpc.stop(grace=GRACE_SECONDS)
        await self._runner.cleanup()

    def _grpc_port(self, address: str) -> int:
        if self._tls is None:
            return int(self._grpc.add_insecure_port(address))
        certificate, key = (Path(file).read_bytes() for file in self._tls)
        return int(self._grpc.add_secure_port(address, grpc_server.credentials(certificate, key)))


def _taken(address: Address, side: str, error: Exception) -> LakeError:
    remedy = f"stop what listens there (another receiver?), or give another --{side.lower()} HOST:PORT"
    return LakeError(f"cannot listen for OTLP/{side}: {error}", str(address), remedy)
