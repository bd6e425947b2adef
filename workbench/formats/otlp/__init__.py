"""The OpenTelemetry protocol: requests to lake rows and back, in columns, for all four signals."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.formats.otlp.decode import decode
    from workbench.formats.otlp.decoded import Decoded
    from workbench.formats.otlp.encode import encode
    from workbench.formats.otlp.json_text import json_to_protobuf, protobuf_to_json
    from workbench.formats.otlp.requests import SIGNALS, validate

# Loaded on first use: the receiving process validates and never decodes.
_PLACES = {
    "Decoded": "decoded",
    "SIGNALS": "requests",
    "decode": "decode",
    "encode": "encode",
    "json_to_protobuf": "json_text",
    "protobuf_to_json": "json_text",
    "validate": "requests",
}
__all__ = ["SIGNALS", "Decoded", "decode", "encode", "json_to_protobuf", "protobuf_to_json", "validate"]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{_PLACES[name]}")
    # All at once: importing the module `decode` bound that name to the module, and the function has to win.
    globals().update({each: getattr(module, each) for each, place in _PLACES.items() if place == _PLACES[name]})
    return getattr(module, name)
