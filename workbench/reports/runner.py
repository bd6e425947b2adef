"""Run a notebook headless and keep what came of it: the executed notebook, one HTML file, a record."""

import copy
import datetime
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from workbench.lake import BadInput, BadParameter
from workbench.reports import record
from workbench.reports.heading import provenance_of
from workbench.reports.listing import find_notebook
from workbench.reports.parameter_cell import checked
from workbench.reports.parameter_cell import parameters as declared_parameters
from workbench.reports.record import Failure, Run

PACKAGES = ("telemetry-workbench", "deltalake", "duckdb", "polars", "pyarrow", "plotly", "anywidget", "papermill")
# Parameters are published: they stand in the notebook, the page and the record.
_CREDENTIALS = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_ESCAPE_SEQUENCE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def run(
    notebook: str | Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    output: str | Path = "reports",
    name: str | None = None,
    timeout_seconds: float = 900,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Execute a notebook with parameters; write `<name>.ipynb`, `<name>.html` and `<name>.run.json` to `output`.

    A run that fails has all three as well: the HTML shows the failing cell and its traceback at the top. Look at
    `status`. The kernel starts in the current directory, so that a relative lake means the same as on the command line.

    Args:
        notebook: path of an .ipynb file, or the name of a shipped report.
        parameters: values by parameter name; texts are read as the declared type.
        output: directory, made if missing. Parallel runs may share it.
        name: of the files; default `<notebook>-<UTC time>`, never the same twice. A name given replaces older files.
        timeout_seconds: for the whole run, start of the kernel included.
        progress: called with (cells done, cells) at every code cell.

    Returns:
        The run as the runner saw it.

    Raises:
        UnknownName: no such notebook.
        BadParameter: unknown parameter, unfit value or one with a password in a URI, unusable name or time limit.
            Nothing was started.
        KeyboardInterrupt: as it came; the files are written before.
    """
    path = find_notebook(notebook)
    if timeout_seconds <= 0:
        raise BadParameter(f"timeout_seconds={timeout_seconds}: no run fits", "run", "give 1 or more")
    if name is not None and (Path(name).name != name or name.startswith(".")):
        raise BadParameter(f"{name!r} is no file name", "run", "give a name without directories")
    declared = declared_parameters(path)
    values = checked(declared, parameters or {}, where=path.name)
    for parameter, value in values.items():
        if _CREDENTIALS.search(str(value)):
            remedy = "give credentials as environment variables: parameters are printed in the report"
            raise BadParameter(f"{parameter} holds a password", path.name, remedy)
    defaults = {each.name: each.default for each in declared.values()}
    started = datetime.datetime.now(datetime.UTC)
    directory = Path(output)
    directory.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {
        "started": started,
        "parameters": defaults | values,
        "versions": _versions(),
        "notebook_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "pid": os.getpid(),
    }
    stem = _reserved(directory, name, path.stem, facts)
    return _execute(_read(path), path.stem, values, directory, stem, facts, timeout_seconds, progress)


def _execute(
    source: Any,
    title: str,
    values: dict[str, Any],
    directory: Path,
    stem: str,
    facts: dict[str, Any],
    timeout_seconds: float,
    progress: Callable[[int, int], None] | None,
) -> Run:
    from papermill.execute import remove_error_markers

    from workbench.reports.kernel import Watch, execute

    clock = time.monotonic()
    watch = Watch(timeout_seconds, progress)
    watch.notebook = source  # until the engine has its own
    status, failure, interrupt = record.SUCCEEDED, None, None
    try:
        execute(copy.deepcopy(source), values, watch)
    except BaseException as error:  # whatever ended it, the outcome is written
        watch.notebook = remove_error_markers(watch.notebook)  # they shift the cells; HTML and record say it better
        status, failure = _outcome(error, watch, timeout_seconds)
        if not isinstance(error, Exception):
            interrupt = error
    ended = Run(
        name=title,
        status=status,
        duration_seconds=time.monotonic() - clock,
        notebook=directory / f"{stem}.ipynb",
        html=directory / f"{stem}.html",
        failure=failure,
        provenance=provenance_of(watch.notebook),
        **facts,
    )
    _write(ended, watch.notebook)
    if interrupt is not None:
        raise interrupt
    return ended


def _outcome(error: BaseException, watch: Any, timeout_seconds: float) -> tuple[str, Failure]:
    """Status and failure for what ended the run."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    cells, index = watch.notebook.cells, watch.cell_index
    if isinstance(error, PapermillExecutionError):
        traceback = _ESCAPE_SEQUENCE.sub("", "\n".join(error.traceback))
        return record.FAILED, _failure(cells, index, error.ename, error.evalue, traceback)
    late = index is None and isinstance(error, RuntimeError) and time.monotonic() >= watch.deadline
    if isinstance(error, CellTimeoutError) or late:
        message = f"the run was stopped after its time limit of {timeout_seconds:g} s"
        return record.TIMED_OUT, _failure(cells, index, "TimedOut", message, "")
    if isinstance(error, DeadKernelError):
        message = f"the notebook's process is gone: {watch.end or 'killed or crashed'}"
        return record.KERNEL_DIED, _failure(cells, index, "KernelDied", message, watch.last_words)
    if isinstance(error, KeyboardInterrupt):
        return record.INTERRUPTED, _failure(cells, index, "Interrupted", "the run was interrupted", "")
    if isinstance(error, RuntimeError) and index is None:
        return record.KERNEL_DIED, _failure(cells, None, "KernelDied", f"it did not start: {error}", watch.last_words)
    return record.FAILED, _failure(cells, index, type(error).__name__, str(error), "")


def _failure(cells: list[Any], index: int | None, error: str, message: str, traceback: str) -> Failure:
    if index is None:
        return Failure(None, "", error, message, traceback)
    if cells[index].cell_type != "code":
        return Failure(None, "", error, message, traceback)
    running = [cell for cell in cells[: index + 1] if cell.cell_type == "code" and cell.source.strip()]
    return Failure(len(running), cells[index].source, error, message, traceback)


def _write(ended: Run, notebook: Any) -> None:
    """HTML and notebook first, the record last: what the record names exists."""
    import nbformat

    from workbench.reports.offline_html import export_html

    notebook.metadata["workbench"] = {"run": ended.facts()}
    _replace(ended.notebook, nbformat.writes(notebook))
    _replace(ended.html, export_html(notebook))
    _replace(ended.notebook.with_name(f"{ended.notebook.stem}{record.SUFFIX}"), _json(ended.facts()))


def _replace(path: Path, text: str) -> None:
    """A whole file or none; the temporary name is unique, as two runs may be given one name."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as file:
        file.write(text)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _reserved(directory: Path, name: str | None, title: str, facts: dict[str, Any]) -> str:
    """A file name that no other run has: the record is created first, exclusively, with the status `running`."""
    base = name or f"{title}-{facts['started']:%Y%m%dT%H%M%SZ}"
    for number in range(1, 1000):
        stem = base if number == 1 else f"{base}-{number}"
        paths: dict[str, Any] = {"notebook": directory / f"{stem}.ipynb", "html": directory / f"{stem}.html"}
        waiting = Run(name=title, status=record.RUNNING, duration_seconds=0.0, **paths, **facts)
        place = directory / f"{stem}{record.SUFFIX}"
        if name is not None:
            _replace(place, _json(waiting.facts()))
            return stem
        try:
            with place.open("x", encoding="utf-8") as file:
                file.write(_json(waiting.facts()))
        except FileExistsError:
            continue
        return stem
    raise BadParameter(f"1000 runs started in one second in {directory}", "run", "give each a name")


def _json(facts: dict[str, Any]) -> str:
    return json.dumps(facts, indent=1, ensure_ascii=False, default=str) + "\n"


def _read(path: Path) -> Any:
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, KeyError, AttributeError, nbformat.validator.NotebookValidationError) as error:
        raise BadInput(f"not a notebook: {error}", str(path), "open it in JupyterLab and save it again") from error


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return versions
