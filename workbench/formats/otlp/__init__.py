"""The OpenTelemetry protocol: requests to lake rows and back, in columns, for all four signals."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.formats.otlp.decoded import Decoded
    from workbench.formats.otlp.decoding import decode
    from workbench.formats.otlp.encoding import encode
    from workbench.formats.otlp.json_text import json_to_protobuf, protobuf_to_json
    from workbench.formats.otlp.requests import SIGNALS, validate

# Loaded on first use: the receiving process validates and never decodes.
_PLACES = {
    "Decoded": "decoded",
    "SIGNALS": "requests",
    "decode": "decoding",
    "encode": "encoding",
    "json_to_protobuf": "json_text",
    "protobuf_to_json": "json_text",
    "validate": "requests",
}
__all__ = ["SIGNALS", "Decoded", "decode", "encode", "json_to_protobuf", "protobuf_to_json", "validate"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_PLACES[name]}"), name)
    globals()[name] = value
    return value
