"""`workbench reports ...` as a program: arguments, streams, exit status."""

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.test_reports_run import notebook

WORKBENCH = Path(sys.executable).with_name("workbench")


def workbench(*words: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if name != "WORKBENCH_LAKE"}
    command = [WORKBENCH, *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False, env=clean | environment
    )


@pytest.fixture
def report(tmp_path) -> Path:
    parameters = 'lake: str = "lake"  # where\nnumber: int = 1  # how many'
    return notebook(tmp_path / "small.ipynb", "print(lake, number)", "assert number < 10", parameters=parameters)


def printed(path: Path) -> str:
    cells = nbformat.read(path, 4).cells
    return "".join(o.text for cell in cells if cell.cell_type == "code" for o in cell.outputs if "text" in o)


@pytest.mark.slow
def test_run_prints_the_two_paths_and_takes_parameters_in_both_forms(report, tmp_path):
    done = workbench("reports", "run", report, "-p", "number", "5", "-p", "lake=/a=b", "--output", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    executed, html = (tmp_path / line for line in done.stdout.splitlines())
    assert (executed.suffix, html.suffix, done.stderr) == (".ipynb", ".html", "")
    assert printed(executed) == "/a=b 5\n"
    assert "<h1>A small report</h1>" in html.read_text()


@pytest.mark.slow
def test_json_is_one_document_and_the_lake_of_the_environment_is_passed_on_absolute(report, tmp_path):
    done = workbench("reports", "run", report, "--format", "json", cwd=tmp_path, WORKBENCH_LAKE="shop")
    facts = json.loads(done.stdout)
    assert (done.returncode, facts["status"], facts["failure"]) == (0, "succeeded", None)
    assert facts["parameters"] == {"lake": str(tmp_path / "shop"), "number": 1}
    assert (tmp_path / "reports" / facts["html"]).exists()


@pytest.mark.slow
def test_a_failed_run_prints_its_paths_tells_why_and_ends_with_one(report, tmp_path):
    done = workbench("reports", "run", report, "--parameter", "number", "50", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("failed: code cell 4: AssertionError:")
    assert all((tmp_path / line).exists() for line in done.stdout.splitlines())
    listed = workbench("reports", "list", "--runs", "reports", "--format", "json", cwd=tmp_path)
    assert [row["status"] for row in json.loads(listed.stdout)] == ["failed"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-p", "numbr", "5"], "did you mean number"),
        (["-p", "number", "many"], "number cannot be 'many'"),
        (["-p", "number"], "-p NAME VALUE"),
        (["--timeout", "soon"], "not a duration"),
    ],
)
def test_wrong_use_ends_with_two_and_writes_nothing(report, tmp_path, words, message):
    done = workbench("reports", "run", report, *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert not (tmp_path / "reports").exists()


def test_an_unknown_report_is_wrong_use_with_near_names(tmp_path):
    done = workbench("reports", "run", "service_helth", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean service_health" in done.stderr


def test_list_names_the_shipped_reports_with_their_parameters(tmp_path):
    done = workbench("reports", "list", "--format", "json", cwd=tmp_path)
    rows = {row["name"]: row for row in json.loads(done.stdout)}
    assert {"service_map", "service_health"} <= rows.keys()
    health = rows["service_health"]
    assert health["title"] == "Service health"
    assert {"name": "last", "default": "'1h'"}.items() <= health["parameters"][1].items()
    shown = workbench("reports", "list", cwd=tmp_path).stdout
    assert "Service map" in shown
    assert "last='1h'" in shown


def test_help_says_how_a_parameter_is_given(tmp_path):
    done = workbench("reports", "run", "--help", cwd=tmp_path, COLUMNS="120")
    assert "NAME VALUE" in done.stdout
    assert "--timeout" in done.stdout


@pytest.mark.slow
def test_progress_is_a_bar_on_a_terminal_and_nothing_elsewhere(report, tmp_path):
    """Standard error is a pseudo terminal here, standard output a pipe."""
    import pty

    ours, theirs = pty.openpty()
    command = [WORKBENCH, "reports", "run", report]
    program = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs, text=True, env=os.environ | {"TERM": "xterm"}
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece
    out, _ = program.communicate(timeout=60)
    os.close(ours)
    assert program.returncode == 0
    assert len(out.splitlines()) == 2
    assert b"running" in shown
