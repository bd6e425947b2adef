"""Where a lake is: a directory, or the URI of an object store that is handed through to `deltalake`."""

import re
from pathlib import Path

from workbench.lake.errors import BadParameter

OBJECT_STORES = ("s3://", "s3a://", "gs://", "az://", "abfs://", "abfss://")


def lake_uri(lake: str | Path) -> str:
    """Absolute path of a local lake, or the URI without a slash at its end.

    Raises:
        BadParameter: a URI of a kind that no store here knows, or a path that would be read as another one.
    """
    text = str(lake)
    if "://" not in text:
        path = str(Path(text).expanduser().absolute())
        if found := re.search("%[0-9A-Fa-f]{2}", path):
            what = f"{found[0]} in the path of a lake stands for another character where a URI is read"
            raise BadParameter(what, path, "give a directory without it")
        return path
    if text.startswith("file://"):
        return text.removeprefix("file://").rstrip("/")
    if not text.startswith(OBJECT_STORES):
        raise BadParameter(
            f"{text!r} is no place for a lake", "lake", f"give a directory or {', '.join(OBJECT_STORES)}"
        )
    return text.rstrip("/")
