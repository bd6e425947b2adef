"""OTLP/JSON to OTLP/protobuf and back.

It is protobuf's JSON mapping with exceptions that the protocol names: ids of traces and spans are hex, enumerations
are numbers (names are taken too), unknown fields are ignored.
"""

import base64
import binascii
import json
from typing import Any

from google.protobuf import json_format

from workbench.formats.otlp.requests import REQUESTS, parsed
from workbench.lake.errors import BadInput

IDS = {"traceId", "spanId", "parentSpanId"}
_REMEDY = "send OTLP/JSON: lowerCamelCase names, ids as hex, 64-bit integers as text or numbers"


def json_to_protobuf(signal: str, text: bytes) -> bytes:
    """One JSON request as protobuf.

    Raises:
        BadInput: no JSON, or not this request; nested too deep.
    """
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise BadInput("not a JSON object", f"{len(text)} bytes", _REMEDY)
        _ids(document, _hex_to_base64)
        request = json_format.ParseDict(document, REQUESTS[signal](), ignore_unknown_fields=True)
    except (ValueError, TypeError, AttributeError, RecursionError, json_format.ParseError) as error:
        if isinstance(error, BadInput):
            raise
        reason = str(error)[:300] or type(error).__name__
        raise BadInput(f"not an OTLP {signal} request in JSON: {reason}", f"{len(text)} bytes", _REMEDY) from error
    payload: bytes = request.SerializeToString()
    return payload


def protobuf_to_json(signal: str, payload: bytes) -> str:
    """One protobuf request as a line of OTLP/JSON."""
    document = json_format.MessageToDict(parsed(signal, payload), use_integers_for_enums=True)
    _ids(document, _base64_to_hex)
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _ids(document: Any, convert: Any) -> None:
    """Convert ids in place. Keys of the protocol only: attribute keys are values of `key` here."""
    pending = [document]
    while pending:
        found = pending.pop()
        if isinstance(found, dict):
            for key, value in found.items():
                if key in IDS and isinstance(value, str):
                    found[key] = convert(value)
                elif isinstance(value, dict | list):
                    pending.append(value)
        else:
            pending += [each for each in found if isinstance(each, dict | list)]


def _hex_to_base64(text: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except ValueError as error:
        raise BadInput(f"the id {text[:40]!r} is no hexadecimal text", "traceId or spanId", _REMEDY) from error


def _base64_to_hex(text: str) -> str:
    return binascii.a2b_base64(text).hex()
