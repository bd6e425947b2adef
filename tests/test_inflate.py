"""Request bodies without their compression, never more than the limit."""

import contextlib
import gzip
import zlib

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from collectors.otlp.inflate import TooLarge, UnknownEncoding, grpc_encoding, inflated

COMPRESS = {"": bytes, "identity": bytes, "gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}


@given(body=st.binary(max_size=300), encoding=st.sampled_from([*COMPRESS]))
def test_what_was_compressed_comes_back(body, encoding):
    assert inflated(COMPRESS[encoding](body), encoding, len(body)) == body


@pytest.mark.parametrize("encoding", COMPRESS)
def test_one_byte_over_the_limit_is_too_large(encoding):
    with pytest.raises(TooLarge):
        inflated(COMPRESS[encoding](b"x" * 101), encoding, 100)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_members_one_behind_the_other_are_one_body_and_share_the_limit(encoding):
    two = COMPRESS[encoding](b"x" * 60) + COMPRESS[encoding](b"y" * 40)
    assert inflated(two, encoding, 100) == b"x" * 60 + b"y" * 40
    with pytest.raises(TooLarge):
        inflated(two, encoding, 99)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_very_many_members_are_refused_before_they_cost_time(encoding):
    with pytest.raises(ValueError, match="members"):
        inflated(COMPRESS[encoding](b"") * 1000, encoding, 100)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@given(data=st.data())
def test_a_truncated_body_is_an_error_and_never_a_shorter_one(encoding, data):
    whole = COMPRESS[encoding](b"telemetry" * 20)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ValueError, match=r"truncated|damaged"):
        inflated(whole[:cut], encoding, 1000)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@given(body=st.binary(max_size=100))
def test_whatever_comes_gives_a_body_or_one_of_our_errors(encoding, body):
    with contextlib.suppress(TooLarge, ValueError):
        assert len(inflated(body, encoding, 1000)) <= 1000


def test_an_unknown_encoding_is_named():
    with pytest.raises(UnknownEncoding, match="'br' is not one of gzip, deflate, zstd"):
        inflated(b"", "br", 100)


def test_grpc_messages_tell_their_compression_by_their_first_bytes():
    assert grpc_encoding(gzip.compress(b"x")) == "gzip"
    assert grpc_encoding(zlib.compress(b"x")) == "deflate"
    assert grpc_encoding(b"\x0a\x02") == grpc_encoding(b"") == ""
