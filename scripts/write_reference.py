"""Write the pages of the documentation that follow from the code: docs/lake-columns.md and docs/cli.md.

Run as `PYTHONPATH=. python scripts/write_reference.py`; tests/test_documentation.py fails while they are old.
"""

import enum
import inspect
from pathlib import Path
from typing import Any

import pyarrow as pa
import typer.main

from workbench.cli.app import app
from workbench.lake.columns import TABLE_MEANINGS, column_meaning
from workbench.lake.schema import TABLES, VERSION, Table

DOCS = Path(__file__).parent.parent / "docs"
WRITTEN = "<!-- Written by scripts/write_reference.py; change the code instead. -->"
ORDER = ("spans", "logs", "metric_points", "profiles", "profile_samples", "profile_nodes", "profile_frames")
ORDER += ("thread_intervals", "findings")
COLUMNS_INTRODUCTION = f"""\
Schema {VERSION}. How the store works is told in [lake.md](lake.md). NULL means that the source said nothing. *Pruned
by* names the columns whose smallest and largest value per file stand in the Delta log: a filter on them skips files."""
COMMANDS_INTRODUCTION = """\
Exit status: 0 it worked, 1 the work failed, 2 wrong use. With `--format json` standard output holds one JSON document
and nothing else; progress and warnings go to standard error. Every command has `--help`."""


def sql_type(kind: pa.DataType) -> str:
    """A column's type as DuckDB and Spark write it."""
    if pa.types.is_map(kind):
        return f"MAP({sql_type(kind.key_type)}, {sql_type(kind.item_type)})"
    if pa.types.is_list(kind):
        return f"{sql_type(kind.value_type)}[]"
    if pa.types.is_struct(kind):
        return f"STRUCT({', '.join(f'{field.name} {sql_type(field.type)}' for field in kind)})"
    names = {"string": "VARCHAR", "int64": "BIGINT", "int32": "INTEGER", "double": "DOUBLE", "bool": "BOOLEAN"}
    names |= {"binary": "BLOB", "timestamp[us, tz=UTC]": "TIMESTAMPTZ", "date32[day]": "DATE"}
    return names[str(kind)]


def lake_columns() -> str:
    """The page about tables and columns."""
    parts = [
        WRITTEN,
        "# Tables and columns of the lake",
        COLUMNS_INTRODUCTION,
        *[_table(TABLES[name]) for name in ORDER],
    ]
    return "\n\n".join(parts) + "\n"


def _table(table: Table) -> str:
    lines = [f"## {table.name}", "", TABLE_MEANINGS[table.name], ""]
    lines += [
        f"A window cuts it by `{table.time}`. Pruned by {', '.join(f'`{name}`' for name in table.statistics)}.",
        "",
    ]
    lines += ["| column | type | meaning |", "|---|---|---|"]
    fields = [*table.schema, pa.field("day", pa.date32())]
    lines += [f"| `{field.name}` | `{sql_type(field.type)}` | {column_meaning(field.name)} |" for field in fields]
    return "\n".join(lines)


def command_line() -> str:
    """The page about commands and options."""
    root = typer.main.get_command(app)
    parts = [
        WRITTEN,
        "# The command `workbench`",
        COMMANDS_INTRODUCTION,
        *_commands("workbench", root),
    ]
    return "\n\n".join(parts) + "\n"


def _commands(path: str, command: Any) -> list[str]:
    """A command, then those below it, in the order they were declared."""
    below = getattr(command, "commands", None)
    if below:
        parts = [] if path == "workbench" else [f"## {path}\n\n{_sentence(command)}"]
        for name, child in below.items():
            parts += _commands(f"{path} {name}", child)
        return parts
    mark = "##" if path.count(" ") == 1 else "###"
    lines = [f"{mark} {path}", "", _sentence(command), "", "```", _usage(path, command), "```"]
    options = [each for each in command.params if getattr(each, "param_type_name", "") == "option"]
    rows = [row for each in options if each.name != "help" for row in [_option(each)]]
    if rows:
        lines += ["", "| option | default | meaning |", "|---|---|---|", *rows]
    return ["\n".join(lines)]


def _usage(path: str, command: Any) -> str:
    words = [path]
    for each in command.params:
        if getattr(each, "param_type_name", "") == "argument":
            word = (each.metavar or each.name or "").upper().strip("[]. ") + ("..." if each.nargs == -1 else "")
            words.append(word if each.required else f"[{word}]")
    return " ".join([*words, "[OPTIONS]"])


def _option(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    default = option.default
    shown = "" if default in (None, False, ()) or callable(default) else f"`{getattr(default, 'value', default)}`"
    kind = option.type_descriptor.annotation
    choices = [each.value for each in kind] if isinstance(kind, enum.EnumMeta) else []
    words = _clean(option.help or "")
    if choices:
        words += f" One of {', '.join(choices)}."
    if option.envvar:
        words += f" Environment: `{option.envvar}`."
    return f"| {names} | {shown} | {words.strip()} |"


def _sentence(command: Any) -> str:
    return _clean(inspect.cleandoc(command.help or ""), keep_paragraphs=True)


def _clean(text: str, *, keep_paragraphs: bool = False) -> str:
    paragraphs = [" ".join(part.split()) for part in text.replace("\f", "").split("\n\n")]
    return ("\n\n" if keep_paragraphs else " ").join(paragraphs).replace("|", "\\|")


def pages() -> dict[str, str]:
    """Name of each generated page and its text."""
    return {"lake-columns.md": lake_columns(), "cli.md": command_line()}


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (DOCS / name).write_text(text)


if __name__ == "__main__":
    main()
