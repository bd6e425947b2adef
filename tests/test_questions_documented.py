"""docs/questions.md speaks of every question, every column of its answer and every command that asks it."""

from pathlib import Path

import pytest

import workbench as wb
from tests.literals import spans

TEXT = (Path(__file__).parent.parent / "docs" / "questions.md").read_text()
ROWS = spans("web  GET /  0..1ms  server")


def told(section: str) -> str:
    return TEXT.split(f"\n## {section}\n")[1].split("\n## ")[0]


@pytest.mark.parametrize(
    ("section", "columns"),
    [
        ("services", lambda window: wb.services(window).columns),
        ("operations", lambda window: wb.operations(window).columns),
        ("red", lambda window: wb.red(window, by="operation").columns),
        ("service_map", lambda window: wb.service_map(window).nodes.columns + wb.service_map(window).edges.columns),
        ("trace", lambda window: wb.trace(window, "f" * 32).columns[:9]),
    ],
)
def test_every_column_of_an_answer_is_explained(window_of, section, columns):
    text = told(section)
    assert [name for name in columns(window_of(ROWS)) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("words", ["services", "operations", "red", "service-map", "traces show", "sql"])
def test_every_command_that_asks_is_named(words):
    assert f"`workbench {words}" in TEXT
