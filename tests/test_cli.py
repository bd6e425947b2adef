"""The command `workbench`: what stands on standard output, on standard error, and the exit status."""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from tests.literals import spans
from workbench.cli.app import app

SHOP = spans("""
    web     GET /cart     0..90ms  server http_request_method=GET
      web   GET          10..80ms  client http_request_method=GET server_address=cart
        cart  load       20..70ms  server
          cart  select   30..40ms  client error db_system_name=redis

    web     GET /         1s..1.01s  server
""")
pytestmark = pytest.mark.filterwarnings("always::workbench.lake.EmptyWindow")  # as the command shows them
TRACE = f"{1:032x}"
QUESTIONS = [
    ["services"],
    ["operations", "web"],
    ["red", "--step", "1s"],
    ["service-map"],
    ["sql", "select trace_id, attributes, start_time from spans"],
    ["traces", "show", TRACE],
]


@pytest.fixture
def shop(lake_of) -> Path:
    return lake_of(SHOP)


def rows_of(done) -> Any:
    assert (done.status, done.err) == (0, "")
    return json.loads(done.out)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda words: words[0])
def test_json_is_one_document_and_nothing_else(command, shop, question):
    done = command(*question, "--lake", shop, "--format", "json")
    assert rows_of(done)
    assert done.out.count("\n") == 1


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda words: words[0])
def test_csv_has_a_header_and_equally_long_rows(command, shop, question):
    done = command(*question, "--lake", shop, "--format", "csv")
    header, *lines = csv.reader(io.StringIO(done.out))
    assert (done.status, done.err) == (0, "")
    assert lines
    assert {len(line) for line in lines} == {len(header)}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda words: words[0])
def test_a_table_is_for_people(command, shop, question):
    done = command(*question, "--lake", shop)
    assert (done.status, done.err) == (0, "")
    assert "web" in done.out or TRACE in done.out


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda words: words[0])
def test_an_empty_window_is_told_and_is_no_failure(command, shop, question):
    done = command(*question, "--lake", shop, "--from", "2020-01-01", "--to", "2020-01-02", "--format", "json")
    assert done.status == 0
    assert "note: nothing in this window; the lake has data from 2026-01-01T00:00:00Z" in done.err
    answer = json.loads(done.out)
    assert answer == ({"nodes": [], "edges": []} if question == ["service-map"] else [])


def test_services_as_rows(command, shop):
    cart, web = rows_of(command("services", "--lake", shop, "--format", "json"))
    assert cart | {"service_name": "cart", "requests": 1, "errors": 0, "p50_ms": 50.0, "spans": 2} == cart
    assert web | {"service_name": "web", "requests": 2, "first_seen": "2026-01-01T00:00:00+00:00"} == web


def test_operations_of_one_service(command, shop):
    found = rows_of(command("operations", "web", "--lake", shop, "--format", "json"))
    assert [(row["operation"], row["kind"], row["calls"]) for row in found] == [
        ("GET /cart", "server", 1),
        ("GET", "client", 1),
        ("GET /", "server", 1),
    ]


def test_red_takes_service_step_and_grouping(command, shop):
    found = rows_of(
        command("red", "--lake", shop, "--service", "web", "--by", "operation", "--step", "1s", "--format", "json")
    )
    assert [(row["bucket_start"][17:19], row["operation"], row["calls"]) for row in found] == [
        ("00", "GET /", 0),
        ("01", "GET /", 1),
        ("00", "GET /cart", 1),
        ("01", "GET /cart", 0),
    ]


def test_the_service_map_is_one_object_with_nodes_and_edges(command, shop):
    found = rows_of(command("service-map", "--lake", shop, "--format", "json"))
    assert set(found) == {"nodes", "edges"}
    assert [(node["id"], node["kind"]) for node in found["nodes"]] == [
        ("cart", "service"),
        ("database:redis", "database"),
        ("web", "service"),
    ]
    names = ("source", "target", "protocol", "calls", "errors", "p50_ms", "p95_ms", "p99_ms")
    assert [tuple(edge[name] for name in names) for edge in found["edges"]] == [
        ("cart", "database:redis", "redis", 1, 1, 10.0, 10.0, 10.0),
        ("web", "cart", "http", 1, 0, 70.0, 70.0, 70.0),
    ]


def test_a_trace_in_the_order_of_its_tree(command, shop):
    found = rows_of(command("traces", "show", TRACE[-31:], "--lake", shop, "--format", "json"))
    assert found == []
    found = rows_of(command("traces", "show", TRACE, "--lake", shop, "--format", "json"))
    assert [(row["depth"], row["name"], row["duration_ns"]) for row in found] == [
        (0, "GET /cart", 90_000_000),
        (1, "GET", 70_000_000),
        (2, "load", 50_000_000),
        (3, "select", 10_000_000),
    ]
    table = command("traces", "show", TRACE, "--lake", shop).out
    assert table.splitlines()[0].strip() == f"trace {TRACE}: 4 spans"
    assert "    load" in table  # indentation is depth


def test_from_and_to_cut_the_window(command, shop):
    found = rows_of(
        command("sql", "select name from spans", "--lake", shop, "--from", "2026-01-01T00:00:01Z", "--format", "json")
    )
    assert found == [{"name": "GET /"}]
    until = ["--last", "500ms", "--to", "2026-01-01T00:00:00.5Z"]
    found = rows_of(command("services", "--lake", shop, *until, "--format", "json"))
    assert [row["service_name"] for row in found] == ["cart", "web"]


@pytest.mark.parametrize("window", [["--from", "1600-01-01"], ["--last", "99999999999d"]])
def test_a_window_longer_than_time_holds_everything(command, shop, window):
    found = rows_of(command("services", "--lake", shop, *window, "--format", "json"))
    assert [row["service_name"] for row in found] == ["cart", "web"]


def test_sql_answers_keep_their_nested_values(command, lake_of):
    lake = lake_of(spans("a  b  0..1ms  app.key=value"))
    values = "[1, 2] as list, {'a': null} as struct, 'nan'::double as no_number, '\\x01'::blob as bytes"
    (row,) = rows_of(command("sql", f"select attributes, {values} from spans", "--lake", lake, "--format", "json"))
    assert row == {
        "attributes": {"app.key": "value"},
        "list": [1, 2],
        "struct": {"a": None},
        "no_number": None,
        "bytes": "01",
    }


@pytest.mark.parametrize(
    ("words", "status", "what", "remedy"),
    [
        (["services", "--lake", "nowhere"], 1, "no lake here", "workbench collect otlp"),
        (["services", "--last", "soon"], 2, "'soon' is not a duration", "write 500ms"),
        (["services", "--from", "yesterday"], 2, "'yesterday' is not a time", "write RFC 3339"),
        (["services", "--last", "1h", "--from", "2026-01-01"], 2, "--last and --from together", "give one of them"),
        (["services", "--from", "2026-01-02", "--to", "2026-01-01"], 2, "the window ends", "swap them"),
        (["red", "--by", "route"], 2, "by='route'", "give service or operation"),
        (["red", "--step", "1ns"], 2, "too short", "1ms or more"),
        (["sql", "select servce_name from spans"], 2, "the query is refused", "describe spans"),
        (["sql", "drop table spans"], 2, "", "select"),
        (["sql", "select 1 as a, 2 as a"], 2, "no frame can hold the answer", "name or cast"),
        (["sql", "select interval 1 day"], 2, "no frame can hold the answer", "name or cast"),
        (["traces", "show", "web"], 2, "'web' is no trace id", "hexadecimal digits"),
        (["traces", "show", "0"], 2, "several traces begin with 0", "give more digits"),
    ],
)
def test_an_error_is_three_lines_on_standard_error(command, shop, monkeypatch, words, status, what, remedy):
    monkeypatch.setenv("WORKBENCH_LAKE", str(shop))
    done = command(*words)
    assert (done.status, done.out) == (status, "")
    assert done.err.startswith("error: ")
    assert what in done.err
    lines = done.err.splitlines()
    assert [line[:11] for line in lines[-2:]] == ["  where:  " + lines[-2][10:11], "  remedy: " + lines[-1][10:11]]
    assert remedy in lines[-1]


@pytest.mark.parametrize("words", [["servces"], ["services", "--fromat", "json"], ["services", "--format", "xml"]])
def test_a_slip_of_the_pen_is_wrong_use(command, words):
    done = command(*words)
    assert (done.status, done.out) == (2, "")
    assert words[-1] in done.err or words[-2] in done.err


def test_an_unknown_service_is_told_with_the_near_name(command, shop):
    done = command("operations", "wed", "--lake", shop, "--format", "json")
    assert (done.status, done.out) == (0, "[]\n")
    assert done.err == "note: no spans of service 'wed' in this window; did you mean web?\n"


def test_what_telemetry_says_is_no_markup_and_no_escape_sequence(command, lake_of):
    lake = lake_of(spans("[red]a  \x1b[31mb\x07  0..1ms  server"))
    done = command("traces", "show", TRACE, "--lake", lake)
    assert "[red]a" in done.out
    assert "\x1b" not in done.out
    assert "\x07" not in done.out


# The real command, as a process


def process(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-c", "from workbench.cli import main; main()"]
    return subprocess.run(
        [*program, *map(str, words)], capture_output=True, text=True, env=os.environ | environment, check=False
    )


def test_the_process_answers_with_status_and_streams_as_promised(shop):
    window = ("--last", "1h", "--to", "2026-01-01T00:30:00Z")
    done = process("service-map", *window, "--format", "json", WORKBENCH_LAKE=str(shop))
    assert (done.returncode, done.stderr) == (0, "")
    assert len(json.loads(done.stdout)["edges"]) == 2
    failed = process("services", "--lake", shop / "nowhere", "--format", "json")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.splitlines()[0] == "error: no lake here"


def test_a_reader_who_has_enough_ends_the_command_in_silence(shop):
    query = "select * from range(1000000)"
    program = [sys.executable, "-c", "from workbench.cli import main; main()", "sql", query, "--format", "csv"]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"WORKBENCH_LAKE": str(shop)}
    ) as running:
        assert running.stdout.readline() == b"range\n"
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(60) == 0


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_a_reader_who_left_before_the_answer_is_no_failure_and_a_full_disk_is_one(shop, form):
    words = ["sql", "select 1", "--lake", str(shop), "--format", form]
    program = [sys.executable, "-c", "from workbench.cli import main; main()", *words]
    reading, writing = os.pipe()
    os.close(reading)
    left = subprocess.run(program, stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (left.returncode, left.stderr) == (0, b"")
    with open("/dev/full", "wb") as full:
        failed = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, check=False)
    assert failed.returncode == 1
    assert failed.stderr.startswith(b"error: cannot write: No space left")


@pytest.mark.parametrize("form", ["json", "csv", "table"])
def test_a_locale_that_is_not_utf8_gets_an_answer(shop, form):
    words = ("sql", "select 'caf\u00e9 \u65e5' as name", "--lake", shop, "--format", form)
    done = process(*words, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    if form == "json":
        assert json.loads(done.stdout) == [{"name": "caf\u00e9 \u65e5"}]
    else:
        assert "caf\\xe9 \\u65e5" in done.stdout


def test_bytes_are_hex_in_every_format(command, shop):
    for form in ("json", "csv", "table"):
        assert "0aff" in command("sql", "select '\\x0a\\xff'::blob as b", "--lake", shop, "--format", form).out


def test_a_directory_that_cannot_be_made_is_an_error_of_three_lines(command, tmp_path):
    (tmp_path / "file").touch()
    done = command("lab", "--folder", tmp_path / "file")
    assert (done.status, done.out) == (1, "")
    assert [line.split()[0] for line in done.err.splitlines()] == ["error:", "where:", "remedy:"]


def test_the_version_is_that_of_the_package(command):
    import workbench

    assert command("--version").out == f"workbench {workbench.__version__}\n"


# The house


def commands(group=None, path: tuple[str, ...] = ()):
    group = group or get_command(app)
    for name, each in group.commands.items():
        yield (*path, name), each
        if hasattr(each, "commands"):
            yield from commands(each, (*path, name))


@pytest.mark.parametrize(("path", "each"), [pytest.param(*each, id=" ".join(each[0])) for each in commands()])
def test_every_command_and_every_option_says_what_it_does(path, each):
    assert (each.help or "").strip(), f"workbench {' '.join(path)} has no help"
    silent = [parameter.name for parameter in each.params if not getattr(parameter, "help", None)]
    assert silent == [], f"workbench {' '.join(path)}: options without help"


READING = [["services"], ["operations"], ["red"], ["service-map"], ["sql"], ["traces", "show"]]


@pytest.mark.parametrize("path", READING, ids=" ".join)
def test_every_question_takes_a_lake_a_window_and_a_format_and_shows_an_example(path):
    each = get_command(app)
    for name in path:
        each = each.commands[name]
    options = {option for parameter in each.params for option in parameter.opts}
    assert {"--lake", "--last", "--from", "--to", "--format"} <= options
    assert f"Example: workbench {' '.join(path)} " in each.help


def test_help_is_complete(command):
    done = command("--help")
    assert done.status == 0
    for (name, *rest), _ in commands():
        if not rest:
            assert name in done.out
