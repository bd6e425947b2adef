"""The pages say what the code does: generated ones are fresh, and every public thing is mentioned somewhere."""

import re
from pathlib import Path

import pytest

import workbench
from scripts import write_reference
from tests.test_errors import all_errors
from workbench.lake.columns import COLUMN_MEANINGS, TABLE_MEANINGS, column_meaning
from workbench.lake.promoted import LOG_PROMOTED, POINT_PROMOTED, RESOURCE_PROMOTED, SPAN_PROMOTED
from workbench.lake.schema import TABLES

DOCS = Path(__file__).parent.parent / "docs"
PAGES = {path.name: path.read_text() for path in sorted(DOCS.glob("*.md"))}
TEXT = "\n".join(PAGES.values())


@pytest.mark.parametrize("name", write_reference.pages())
def test_generated_pages_are_fresh(name):
    remedy = "run: PYTHONPATH=. python scripts/write_reference.py"
    assert PAGES.get(name) == write_reference.pages()[name], remedy


def test_every_table_and_column_is_described_once():
    assert set(TABLE_MEANINGS) == set(TABLES)
    declared = {name for table in TABLES.values() for name in table.schema.names} | {"day"}
    promoted = {*RESOURCE_PROMOTED, *SPAN_PROMOTED, *LOG_PROMOTED, *POINT_PROMOTED}
    assert [name for name in sorted(declared) if not column_meaning(name)] == []
    assert set(COLUMN_MEANINGS) & promoted == set(), "promoted columns describe themselves"
    assert set(COLUMN_MEANINGS) | promoted == declared
    for name, table in TABLES.items():
        section = PAGES["lake-columns.md"].split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert re.findall(r"^\| `(\w+)`", section, re.MULTILINE) == [*table.schema.names, "day"]


def test_every_public_name_is_documented():
    names = [name for name in workbench.__all__ if not name.startswith("__")]
    documented = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`|```.*?```", TEXT, re.DOTALL))))
    assert [name for name in names if name not in documented] == []


def test_every_error_is_documented():
    assert [kind.__name__ for kind in all_errors() if f"`{kind.__name__}`" not in TEXT] == []


def test_every_command_has_a_sentence_and_every_option_too():
    rows = [line for line in PAGES["cli.md"].splitlines() if line.startswith("| `-")]
    assert rows
    assert [row for row in rows if re.search(r"\|\s*\|$", row)] == []
    for heading, text in re.findall(r"^#{2,3} (workbench .+)\n\n(.*)\n", PAGES["cli.md"], re.MULTILINE):
        assert text, heading
        assert not text.startswith("```"), heading


def test_links_between_pages_lead_somewhere():
    broken = []
    for page, text in PAGES.items():
        for target in re.findall(r"\]\(([^)#\s]+)\)", text):
            if "://" not in target and not (DOCS / target).exists():
                broken.append(f"{page}: {target}")
    assert broken == []
