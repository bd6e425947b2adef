"""Runs of real notebooks in real kernels: whatever ends a run, notebook, page and record say what happened.

A kernel takes a second to start, so outcomes that many tests look at are produced once.
"""

import concurrent.futures
import datetime
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from workbench.lake import BadInput, BadParameter, UnknownName
from workbench.reports import Run, run, runs

pytestmark = pytest.mark.slow  # kernels start in most of these tests

PARAMETERS = 'number: int = 1  # how many\nwho: str = "nobody"  # a name'


def notebook(path: Path, *sources: str, parameters: str = PARAMETERS) -> Path:
    cells = [nbformat.v4.new_markdown_cell("# A small report\n\nIt adds.")]
    cells.append(nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    cells += [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    return path


def children() -> set[int]:
    return {child.pid for child in psutil.Process().children(recursive=True)}


def text_of(cell) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> dict[str, Run]:
    """One run for each way to end, and the processes that were there before."""
    directory = tmp_path_factory.mktemp("outcomes")
    cases = {
        "succeeded": ["print(f'{who}: {number + 1}')", "1 + 1"],
        "failed": ["print('before')", "def inner():\n    raise KeyError('gone <b>')\ninner()", "print('after')"],
        "kernel_died": ["print('before')", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", "print('after')"],
        "timed_out": ["print('before')", "import time\nwhile True:\n    time.sleep(1)", "print('after')"],
    }
    found = {}
    before = children()
    for name, sources in cases.items():
        path = notebook(directory / f"{name}.ipynb", *sources)
        limit = 5 if name == "timed_out" else 60
        found[name] = run(path, {"number": "41", "who": "Ann"}, output=directory / "out", timeout_seconds=limit)
    found["left_over"] = children() - before
    return found


@pytest.mark.parametrize("name", ["succeeded", "failed", "kernel_died", "timed_out"])
def test_every_end_leaves_notebook_page_and_record_with_the_true_status(outcomes, name):
    ended = outcomes[name]
    assert ended.status == name
    assert ended.succeeded == (name == "succeeded")
    record = json.loads(ended.notebook.with_suffix(".run.json").read_text())
    assert record == json.loads(json.dumps(ended.facts(), default=str))
    assert nbformat.read(ended.notebook, 4).metadata.workbench.run.status == name
    page = ended.html.read_text()
    assert "A small report" in page
    assert ('class="failure"' in page) == (name != "succeeded")
    assert not [path for path in ended.html.parent.iterdir() if path.name.startswith(".")]


def test_given_parameters_reach_the_cells_and_the_rest_keeps_its_defaults(outcomes):
    ended = outcomes["succeeded"]
    executed = nbformat.read(ended.notebook, 4)
    assert ended.parameters == {"number": 41, "who": "Ann"}
    assert "Ann: 42\n" in [text_of(cell) for cell in executed.cells if cell.cell_type == "code"]


def test_a_failing_cell_is_named_and_shown_with_what_came_before(outcomes):
    failure, page = outcomes["failed"].failure, outcomes["failed"].html.read_text()
    assert (failure.cell, failure.error, failure.message) == (4, "KeyError", "'gone <b>'")
    assert "raise KeyError" in failure.source
    assert "inner()" in failure.traceback
    assert "\x1b" not in failure.traceback
    assert "in step [4]" in page
    assert "KeyError</strong>: &#39;gone &lt;b&gt;&#39;" in page
    assert "before" in page
    assert "Not run." in page


def test_a_killed_kernel_is_told_with_the_cell_and_the_signal(outcomes):
    failure = outcomes["kernel_died"].failure
    assert (failure.cell, failure.error) == (4, "KernelDied")
    assert "SIGKILL" in failure.message
    assert "os.kill" in failure.source
    assert "The kernel died in step [4]" in outcomes["kernel_died"].html.read_text()


def test_the_limit_is_for_the_whole_run_and_names_the_cell_at_work(outcomes):
    failure = outcomes["timed_out"].failure
    assert (failure.cell, failure.message) == (4, "the run was stopped after its time limit of 5 s")
    assert "The run was stopped in step [4]" in outcomes["timed_out"].html.read_text()


def test_no_kernel_is_left_by_any_of_them(outcomes):
    assert outcomes["left_over"] == set()


def test_the_record_says_what_it_was_made_with(outcomes):
    ended = outcomes["succeeded"]
    assert ended.versions["polars"] == __import__("polars").__version__
    assert len(ended.notebook_sha256) == 64
    assert ended.started.tzinfo is datetime.UTC


def test_runs_are_listed_newest_first_and_read_back_equal(outcomes):
    listed = runs(outcomes["failed"].html.parent)
    assert [each.name for each in listed] == ["timed_out", "kernel_died", "failed", "succeeded"]
    by_name = {each.name: each for each in listed}
    assert by_name["failed"].failure == outcomes["failed"].failure
    assert by_name["failed"].html == outcomes["failed"].html


def test_a_limit_that_passes_between_cells_stops_the_run_too(tmp_path):
    path = notebook(tmp_path / "many.ipynb", *["import time; time.sleep(0.6)"] * 12)
    ended = run(path, output=tmp_path, timeout_seconds=4)
    assert ended.status == "timed_out"
    executed = nbformat.read(ended.notebook, 4)
    assert executed.cells[-1].execution_count is None


def test_a_kernel_that_cannot_start_is_told_with_its_own_words(tmp_path, monkeypatch):
    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit('a broken installation')\n")
    monkeypatch.chdir(tmp_path)
    ended = run(notebook(tmp_path / "a.ipynb", "1"), output=tmp_path)
    assert (ended.status, ended.failure.cell) == ("kernel_died", None)
    assert "did not start" in ended.failure.message
    assert "a broken installation" in ended.failure.traceback
    assert "a broken installation" in ended.html.read_text()


def test_parallel_runs_of_one_notebook_do_not_take_each_others_files(tmp_path):
    path = notebook(tmp_path / "same.ipynb", "print(number)")
    program = (
        "import sys; from workbench.reports import run\n"
        "print(run(sys.argv[1], {'number': sys.argv[3]}, output=sys.argv[2]).notebook)"
    )

    def start(number: int) -> Path:
        command = [sys.executable, "-c", program, str(path), str(tmp_path / "out"), str(number)]
        return Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip())

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        written = list(pool.map(start, (10, 20)))
    assert len(set(written)) == 2
    for number, file in zip((10, 20), written, strict=True):
        assert f"{number}\n" in [text_of(cell) for cell in nbformat.read(file, 4).cells if cell.cell_type == "code"]
    assert {each.status for each in runs(tmp_path / "out")} == {"succeeded"}


def wait_for(what) -> None:
    for _ in range(600):
        if what():
            return
        time.sleep(0.05)
    raise AssertionError("waited 30 s in vain")


def hanging(tmp_path: Path) -> tuple[subprocess.Popen, int]:
    """A `workbench reports run` whose cell sleeps, and the pid of its kernel."""
    path = notebook(
        tmp_path / "hangs.ipynb", "import os, time; open('kernel', 'w').write(str(os.getpid()))", "time.sleep(300)"
    )
    command = [
        str(Path(sys.executable).with_name("workbench")),
        "reports",
        "run",
        str(path),
        "--output",
        str(tmp_path / "out"),
    ]
    program = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    kernel = tmp_path / "kernel"
    wait_for(lambda: kernel.exists() and kernel.read_text())
    time.sleep(0.5)  # the next cell is at work
    return program, int(kernel.read_text())


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_writes_its_files_and_takes_its_kernel_along(tmp_path, way):
    program, kernel = hanging(tmp_path)
    program.send_signal(way)
    _, errors = program.communicate(timeout=60)
    assert program.returncode == 130, errors
    assert "interrupted" in errors
    (ended,) = runs(tmp_path / "out")
    assert (ended.status, ended.failure.error) == ("interrupted", "Interrupted")
    assert "The run was interrupted in step" in ended.html.read_text()
    assert ended.notebook.exists()
    wait_for(lambda: not psutil.pid_exists(kernel))


def test_a_run_whose_process_was_killed_is_listed_as_lost_and_its_kernel_ends(tmp_path):
    program, kernel = hanging(tmp_path)
    (at_work,) = runs(tmp_path / "out")
    assert at_work.status == "running"
    program.kill()
    program.communicate(timeout=30)
    (ended,) = runs(tmp_path / "out")
    assert ended.status == "lost"
    wait_for(lambda: not psutil.pid_exists(kernel))


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ({"nunber": 1}, {}, "did you mean number"),
        ({"number": "many"}, {}, "number cannot be 'many'"),
        ({"who": "s3://ann:secret@bucket/lake"}, {}, "who holds a password"),
        ({}, {"timeout_seconds": 0}, "no run fits"),
        ({}, {"name": "../x"}, "is no file name"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_written(tmp_path, values, options, message):
    path = notebook(tmp_path / "a.ipynb", "1")
    with pytest.raises(BadParameter, match=message):
        run(path, values, output=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_an_unknown_notebook_is_answered_with_near_names(tmp_path):
    with pytest.raises(UnknownName, match="did you mean service_map"):
        run("servicemap", output=tmp_path)


@pytest.mark.parametrize("text", ['{"cells": 5}', "{}", "[]", "import os", ""])
def test_a_file_that_is_no_notebook_is_refused(tmp_path, text):
    (tmp_path / "a.ipynb").write_text(text)
    with pytest.raises(BadInput, match="not a notebook"):
        run(tmp_path / "a.ipynb", output=tmp_path / "out")


def test_a_given_name_replaces_the_files_of_before(tmp_path):
    path = notebook(tmp_path / "a.ipynb", "print(number)")
    first = run(path, {"number": 1}, output=tmp_path / "out", name="daily")
    second = run(path, {"number": 2}, output=tmp_path / "out", name="daily")
    assert first.notebook == second.notebook
    assert [each.parameters["number"] for each in runs(tmp_path / "out")] == [2]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["daily.html", "daily.ipynb", "daily.run.json"]


def test_a_record_of_somebody_else_is_told_with_its_file(tmp_path):
    (tmp_path / "x.run.json").write_text("[]")
    with pytest.raises(BadInput, match="not the record of a run"):
        runs(tmp_path)


def test_no_directory_means_no_runs(tmp_path):
    assert runs(tmp_path / "absent") == []


def test_a_process_that_is_alive_but_somebody_elses_counts_as_running(tmp_path):
    from workbench.reports.record import _alive

    assert _alive(os.getpid())
    assert _alive(1)
