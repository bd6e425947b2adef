"""Versions that reports hold: their files and log entries stay until the report expires."""

import json
import urllib.parse
from pathlib import Path

from workbench.lake.disk import listed, write_durably
from workbench.lake.errors import LakeError
from workbench.lake.local import local_lake

FOLDER = "_pins"


def pin(lake: str | Path, holder: str, versions: dict[str, int], *, until_ns: int) -> None:
    """Keep what `versions` (a window's) need for a report, `holder`, until a point in time; again: until a later one.

    Raises:
        LakeError: the lake cannot be written.
    """
    folder = local_lake(lake) / FOLDER
    text = json.dumps({"holder": holder, "versions": versions, "until_unix_nano": until_ns})
    try:
        folder.mkdir(exist_ok=True)
        write_durably(_file(folder, holder), text.encode())
    except OSError as error:
        raise LakeError(f"cannot pin: {error}", str(folder), "make the lake writable") from error


def unpin(lake: str | Path, holder: str) -> None:
    """Let go of what `holder` pinned; nothing happens if it holds nothing."""
    _file(local_lake(lake) / FOLDER, holder).unlink(missing_ok=True)


def pins(root: Path, now_ns: int) -> dict[str, list[int]]:
    """Versions that are held at `now_ns`, by table.

    Raises:
        LakeError: a pin cannot be read; what it holds is unknown, so nothing may be deleted.
    """
    held: dict[str, list[int]] = {}
    for file in listed(root / FOLDER, "*.json"):
        try:
            found = json.loads(file.read_text())
            if found["until_unix_nano"] > now_ns:
                for table, version in found["versions"].items():
                    held.setdefault(table, []).append(int(version))
        except FileNotFoundError:  # let go of since it was listed
            continue
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise LakeError(f"not a pin: {error}", str(file), "delete the file if no report needs it") from error
    return held


def forget_past(root: Path, now_ns: int) -> None:
    """Delete the pins whose time is over; a damaged one stays for `pins` to complain about."""
    for file in listed(root / FOLDER, "*.json"):
        try:
            over = json.loads(file.read_text())["until_unix_nano"] <= now_ns
        except (ValueError, TypeError, KeyError, FileNotFoundError):
            continue
        if over:
            file.unlink(missing_ok=True)


def _file(folder: Path, holder: str) -> Path:
    return folder / f"{urllib.parse.quote(holder, safe='')}.json"
