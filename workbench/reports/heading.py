"""What stands above and below the report: title, window, parameters, how the run went, what it was computed on."""

import datetime
from typing import Any

from workbench.reports.listing import title_and_summary

PROVENANCE = "application/vnd.workbench.provenance+json"
PREPARED = ("lake", "from", "to", "versions")  # shown in their own way; the rest of a provenance as it comes


def heading(notebook: Any) -> dict[str, Any]:
    """The page's head and foot for the template; texts are not yet escaped."""
    run = notebook.get("metadata", {}).get("workbench", {}).get("run", {})
    provenance = run.get("provenance") or provenance_of(notebook)
    title, _ = title_and_summary(notebook)
    return {
        "title": title or run.get("name") or "Report",
        "status": run.get("status", ""),
        "failure": run.get("failure") or (None if run else _first_error(notebook)),
        "failed_cell": _failed_cell(notebook),
        "windows": [window for each in provenance if (window := window_text(each))],
        "parameters": {name: _shown(value) for name, value in run.get("parameters", {}).items()},
        "facts": _facts(run, provenance),
    }


def provenance_of(notebook: Any) -> list[dict[str, Any]]:
    """What the notebook displayed about its data, each once, in order."""
    found: list[dict[str, Any]] = []
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            entry = output.get("data", {}).get(PROVENANCE)
            if isinstance(entry, dict) and entry not in found:
                found.append(entry)
    return found


def window_text(provenance: dict[str, Any]) -> str:
    """`2026-11-24 12:00 to 13:00 UTC (1 h)`; empty where the entry has no window."""
    try:
        start = datetime.datetime.fromisoformat(str(provenance["from"])[:19]).replace(tzinfo=datetime.UTC)
        end = datetime.datetime.fromisoformat(str(provenance["to"])[:19]).replace(tzinfo=datetime.UTC)
    except (KeyError, ValueError):
        return ""
    clock = "%H:%M:%S" if start.second or end.second else "%H:%M"
    last = end.strftime(clock if start.date() == end.date() else f"%Y-%m-%d {clock}")
    return f"{start.strftime(f'%Y-%m-%d {clock}')} to {last} UTC ({duration_text((end - start).total_seconds())})"


def duration_text(seconds: float) -> str:
    """`2.4 s`, `3 min 20 s`, `1 h`, `15 d`: at most two units."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    whole, parts = round(seconds), []
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def _facts(run: dict[str, Any], provenance: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Rows of the table at the foot: what one needs to compute this report again."""
    rows: list[tuple[str, str]] = []
    for each in provenance:
        rows += [(name, str(each[name])) for name in ("lake",) if name in each]
        if "from" in each and "to" in each:
            rows.append(("window", f"{each['from']} to {each['to']}"))
        if isinstance(each.get("versions"), dict):
            rows.append(
                ("table versions", ", ".join(f"{table} {number}" for table, number in each["versions"].items()))
            )
        rows += [(name.replace("_", " "), _shown(value)) for name, value in each.items() if name not in PREPARED]
    if run:
        started = datetime.datetime.fromisoformat(run["started"])
        rows.append(
            ("run", f"{started:%Y-%m-%d %H:%M:%S} UTC, {duration_text(run['duration_seconds'])}, {run['status']}")
        )
        rows.append(("notebook", f"{run['name']} (sha256 {run['notebook_sha256'][:16]})"))
        rows.append(("software", ", ".join(f"{name} {version}" for name, version in run["versions"].items())))
    return rows


def _shown(value: Any) -> str:
    if value == "":
        return "(empty)"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_shown(member)}" for key, member in value.items()) or "none"
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    if value is None or isinstance(value, bool):
        return {None: "none", True: "yes", False: "no"}[value]
    return f"{value:,}" if isinstance(value, int) else str(value)


def _failed_cell(notebook: Any) -> int | None:
    """The cell to jump to: where the error stands, else the last one that was started."""
    last = None
    for number, cell in enumerate(notebook["cells"], 1):
        if any(output["output_type"] == "error" for output in cell.get("outputs", [])):
            return number
        if cell.get("metadata", {}).get("papermill", {}).get("start_time") and cell["cell_type"] == "code":
            last = number
    return last


def _first_error(notebook: Any) -> dict[str, Any] | None:
    """For notebooks that someone else ran: the first cell that shows an error."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if output["output_type"] == "error":
                return {
                    "cell": cell.get("execution_count"),
                    "source": "".join(cell["source"]),
                    "error": output["ename"],
                    "message": output["evalue"],
                    "traceback": "\n".join(output["traceback"]),
                }
    return None
