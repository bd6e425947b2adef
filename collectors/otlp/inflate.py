"""Request bodies as they were before compression, never more than a limit: a bomb is cut while it inflates."""

from collections.abc import Callable
from typing import Any

from isal import isal_zlib

ENCODINGS = ("gzip", "deflate", "zstd")
GZIP_MAGIC = b"\x1f\x8b"
MOST_MEMBERS = 64  # gzip members or zstd frames in one body; each costs a copy of what is behind it


class TooLarge(Exception):
    """More bytes than allowed."""


class UnknownEncoding(Exception):
    """A content encoding that is not one of ENCODINGS."""


def inflated(body: bytes, encoding: str, limit: int) -> bytes:
    """The body without its content encoding (`gzip`, `deflate`, `zstd`, or `` and `identity` for none).

    Raises:
        TooLarge: it would be longer than `limit`.
        UnknownEncoding: as it says.
        ValueError: damaged or truncated.
    """
    if encoding in ("", "identity"):
        if len(body) > limit:
            raise TooLarge
        return body
    if encoding == "gzip":
        return _streamed(lambda: isal_zlib.decompressobj(wbits=31), body, limit)
    if encoding == "deflate":
        # RFC 9110 means the zlib format; some clients send it without its header.
        wbits = 15 if _has_zlib_header(body) else -15
        return _streamed(lambda: isal_zlib.decompressobj(wbits=wbits), body, limit)
    if encoding == "zstd":
        from backports import zstd

        return _streamed(zstd.ZstdDecompressor, body, limit)
    raise UnknownEncoding(f"content encoding {encoding!r} is not one of {', '.join(ENCODINGS)}")


def grpc_encoding(message: bytes) -> str:
    """How a gRPC message is compressed, told by its first bytes: no OTLP request begins like that."""
    if message[:2] == GZIP_MAGIC:
        return "gzip"
    return "deflate" if _has_zlib_header(message) else ""


def _has_zlib_header(data: bytes) -> bool:
    return len(data) >= 2 and data[0] == 0x78 and (data[0] << 8 | data[1]) % 31 == 0


def _streamed(decompressor: Callable[[], Any], body: bytes, limit: int) -> bytes:
    """All members or frames of the body, one behind the other."""
    parts: list[bytes] = []
    size = 0
    while len(parts) < MOST_MEMBERS:
        stream = decompressor()
        try:
            data: bytes = stream.decompress(body, max_length=limit - size + 1)
        except Exception as error:  # each library has an error of its own, all mean: damaged
            raise ValueError(f"damaged body: {error}") from error
        parts.append(data)
        size += len(data)
        if size > limit:
            raise TooLarge
        if not stream.eof:
            raise ValueError("the compressed body is truncated")
        body = stream.unused_data
        if not body:
            return data if len(parts) == 1 else b"".join(parts)
    raise ValueError(f"more than {MOST_MEMBERS} compressed members in one body")
