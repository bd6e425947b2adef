"""The data of a page: widget models, their binary traits, their modules and the figures, packed into one text.

Layout before compression: length of the header as 4 bytes (little-endian), 4 bytes nothing, the header as JSON padded
to 8 bytes, then all buffers, each padded to 8 bytes, so that the page can lay typed arrays over them. All of it is
gzipped once and written as base64: binary traits inside of JSON would be base64 twice over, and hardly compress.
The same notebook gives the same text.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator
from typing import Any

WIDGET_STATE = "application/vnd.jupyter.widget-state+json"
_REFERENCES = ("IPY_MODEL_", "anywidget:")


class Bundle:
    """Collects what the shown outputs need; `text` packs it."""

    def __init__(self, saved_models: dict[str, Any]) -> None:
        self.saved_models = saved_models
        self.figures: list[Any] = []
        self.shown: list[str] = []
        self.written_html: dict[str, str] = {}

    def add_figure(self, figure: Any) -> int:
        """Keep a plotly figure; returns its number on the page."""
        self.figures.append(figure)
        return len(self.figures) - 1

    def add_model(self, model_id: str) -> bool:
        """Keep a widget and all that it refers to; False if the notebook has no state of it."""
        if model_id not in self.saved_models:
            return False
        self.shown.append(model_id)
        return True

    def models(self) -> dict[str, Any]:
        """The models that are shown, what they refer to, and the links between them; the rest is left out."""
        kept: dict[str, Any] = {}
        waiting = list(self.shown)
        links = [
            key
            for key, saved in self.saved_models.items()
            if saved["model_name"] in ("LinkModel", "DirectionalLinkModel")
        ]
        while waiting or links:
            model_id = waiting.pop() if waiting else links.pop()
            saved = self.saved_models.get(model_id)
            if saved is None or model_id in kept:
                continue
            kept[model_id] = saved
            waiting.extend(_references(saved["state"]))
        return {key: kept[key] for key in sorted(kept)}

    @property
    def is_empty(self) -> bool:
        """True when the page has nothing to draw: it then needs no script but the theme's."""
        return not self.figures and not self.shown

    def text(self) -> str:
        """The packed bundle as base64."""
        blob, modules, models = bytearray(), {}, {}
        for model_id, saved in self.models().items():
            state = dict(saved["state"])
            source = state.get("_esm")
            if isinstance(source, str):  # equal widgets share one module text
                digest = hashlib.sha256(source.encode()).hexdigest()
                modules[digest] = source
                state["_esm"] = digest
            buffers = []
            for buffer in saved.get("buffers", []):
                data = base64.b64decode(buffer["data"])
                buffers.append({"path": buffer["path"], "start": len(blob), "length": len(data)})
                blob += data + bytes(-len(data) % 8)
            if model_id in self.written_html:
                state["_html"] = self.written_html[model_id]
            model = {"module": saved.get("model_module", ""), "name": saved["model_name"], "state": state}
            models[model_id] = model | ({"buffers": buffers} if buffers else {})
        header = {"models": models, "modules": modules, "figures": self.figures}
        packed_header = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
        packed_header += b" " * (-len(packed_header) % 8)
        raw = len(packed_header).to_bytes(4, "little") + bytes(4) + packed_header + bytes(blob)
        return compressed(raw)


def compressed(data: bytes) -> str:
    """Gzip as base64; no time stamp, so that equal data give equal text."""
    return base64.b64encode(gzip.compress(data, 9, mtime=0)).decode()


def saved_models(notebook: Any) -> dict[str, Any]:
    """Model id -> saved model, as papermill left them in the notebook's metadata."""
    models = notebook.get("metadata", {}).get("widgets", {}).get(WIDGET_STATE, {}).get("state", {})
    return {key: saved for key, saved in models.items() if "state" in saved and "model_name" in saved}


def _references(value: Any) -> Iterator[str]:
    """Ids of models that a state speaks of, at any depth."""
    if isinstance(value, str):
        for prefix in _REFERENCES:
            if value.startswith(prefix):
                yield value.removeprefix(prefix)
    elif isinstance(value, dict):
        for member in value.values():
            yield from _references(member)
    elif isinstance(value, list):
        for member in value:
            yield from _references(member)
