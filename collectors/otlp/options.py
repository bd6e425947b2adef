"""What a receiver can be told, and what of it can be found wrong before anything starts."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from workbench.lake.errors import BadParameter
from workbench.lake.locations import lake_uri
from workbench.lake.times import duration_ns

WHERE = "the receiver's options"
TOKEN_VARIABLE = "WORKBENCH_OTLP_TOKEN"  # noqa: S105 - the name of a variable
NEVER = "never"
MOST_REQUEST_BYTES = 128 << 20  # it is in memory twice, compressed and not


class Address(NamedTuple):
    """Host (IPv6 without brackets) and port; port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def loopback(self) -> bool:
        """Only this machine reaches it."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


@dataclass(frozen=True)
class Options:
    """Addresses are HOST:PORT, durations are written like `30s`, `5m`, or `never`."""

    lake: str
    grpc: str = "127.0.0.1:4317"
    http: str = "127.0.0.1:4318"
    wal: Path | None = None  # default: <lake>/_wal
    wal_budget_bytes: int = 2 << 30
    max_request_bytes: int = 64 << 20
    body_seconds: float = 30.0
    token: str | None = field(default=None, repr=False)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    maintain_every: str = "5m"
    retention: str = "15d"
    metrics_every: str = "10s"
    ready_file: Path | None = None

    def checked(self) -> "Options":
        """The same, when all of it can be used.

        Raises:
            BadParameter: an address, a limit, a duration or a place cannot.
        """
        for address in (self.grpc, self.http):
            address_of(address)
        for every in (self.maintain_every, self.metrics_every):
            seconds(every)
        duration_ns(self.retention, WHERE)
        if self.max_request_bytes < 1 or self.wal_budget_bytes < 1:
            raise BadParameter("a limit below one byte", WHERE, "give the number of bytes")
        if self.max_request_bytes > MOST_REQUEST_BYTES:
            what = f"a request of {self.max_request_bytes} bytes is too large to be held in memory"
            raise BadParameter(what, WHERE, f"give at most {MOST_REQUEST_BYTES}; clients can send smaller batches")
        if not self.body_seconds > 0:
            raise BadParameter(f"{self.body_seconds} s are no time for a body", WHERE, "give the number of seconds")
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise BadParameter("TLS needs a certificate and a key", WHERE, "give --tls-certificate and --tls-key")
        if self.wal is None and "://" in lake_uri(self.lake):
            remedy = "give --wal DIR on a local disk"
            raise BadParameter("an object store cannot hold the write-ahead log", self.lake, remedy)
        return self

    @property
    def wal_root(self) -> Path:
        """Where receivers of this lake keep their write-ahead logs, each in a directory of its own."""
        return self.wal.expanduser().absolute() if self.wal is not None else Path(lake_uri(self.lake)) / "_wal"


def address_of(text: str) -> Address:
    """HOST:PORT taken apart.

    Raises:
        BadParameter: it is not of that form.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadParameter(f"{text!r} is no address", WHERE, "write HOST:PORT, for example 127.0.0.1:4318")
    return Address(host, int(port))


def seconds(every: str) -> float:
    """A period in seconds; 0 means never.

    Raises:
        BadParameter: not a duration.
    """
    return 0.0 if every in ("", NEVER) else duration_ns(every, WHERE) / 1e9


def token_in(file: Path | None, environment: str | None) -> str | None:
    """The bearer token: from a file, else from the environment. Never from the command line, which all can read.

    Raises:
        BadParameter: the file cannot be read, or what is there is no token.
    """
    where = str(file) if file is not None else TOKEN_VARIABLE
    try:
        text = file.read_text() if file is not None else environment
    except (OSError, UnicodeDecodeError) as error:
        raise BadParameter(f"no token can be read: {error}", where, "give a text file with one line") from error
    if text is None:
        return None
    token = text.strip()
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise BadParameter("the token is empty, or not one word of plain text", where, "openssl rand -hex 32 makes one")
    return token


def tls_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """TLS for the HTTP port, and with it the proof that both files fit together.

    Raises:
        BadParameter: they do not.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        remedy = "give PEM files that fit together, the key without a passphrase"
        raise BadParameter(f"TLS cannot be set up: {error}", f"{certificate}, {key}", remedy) from error
    return context


def _no_password() -> str:
    raise ValueError("the key needs a passphrase")  # instead of a question on the terminal of a service
