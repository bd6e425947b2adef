"""OTLP/JSON to OTLP/protobuf and back.

It is protobuf's JSON mapping with exceptions that the protocol names: ids of traces and spans are hex, enumerations
are numbers (names are taken too), unknown fields are ignored.
"""

import binascii
import json
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import EncodeError

from workbench.formats.otlp.json_fields import fill
from workbench.formats.otlp.requests import REQUESTS, parsed
from workbench.lake.errors import BadInput

IDS = {"traceId", "spanId", "parentSpanId", "profileId"}
_REMEDY = "send OTLP/JSON: lowerCamelCase names, ids as hex, 64-bit integers as text or numbers"


def json_to_protobuf(signal: str, text: bytes) -> bytes:
    """One JSON request as protobuf.

    Raises:
        BadInput: no JSON, or not this request; nested too deep.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad(signal, error, f"{len(text)} bytes") from error
    return document_to_protobuf(signal, document, f"{len(text)} bytes")


def document_to_protobuf(signal: str, document: Any, where: str) -> bytes:
    """One request, parsed as JSON already, as protobuf.

    Raises:
        BadInput: not this request; nested too deep.
    """
    if not isinstance(document, dict):
        raise BadInput("not a JSON object", where, _REMEDY)
    request = REQUESTS[signal]()
    try:
        fill(request, document)
        payload: bytes = request.SerializeToString()
    except (ValueError, OverflowError, RecursionError, EncodeError) as error:
        raise _bad(signal, error, where) from error
    return payload


def _bad(signal: str, error: Exception, where: str) -> BadInput:
    reason = str(error)[:300] or type(error).__name__
    return BadInput(f"not an OTLP {signal} request in JSON: {reason}", where, _REMEDY)


def protobuf_to_json(signal: str, payload: bytes) -> str:
    """One protobuf request as a line of OTLP/JSON."""
    document = json_format.MessageToDict(parsed(signal, payload), use_integers_for_enums=True)
    _ids(document)
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _ids(document: Any) -> None:
    """Ids from base64 to hex, in place. Keys of the protocol only: attribute keys are values of `key` here."""
    pending = [document]
    while pending:
        found = pending.pop()
        if isinstance(found, dict):
            for key, value in found.items():
                if key in IDS and isinstance(value, str):
                    found[key] = binascii.a2b_base64(value).hex()
                elif isinstance(value, dict | list):
                    pending.append(value)
        else:
            pending += [each for each in found if isinstance(each, dict | list)]
