"""`python -m benchmarks [NAME ...] [--quick]`: run the benchmarks, print their tables, and write them into README.md.

A benchmark is a module of this folder with `CLAIM` (a sentence) and `run(quick)`, which checks its answers before it
reads a clock and gives rows with name, value, unit, target, baseline_name, baseline_value, note. `--quick` looks
whether all runs, with less data, and leaves README.md as it is.
"""

import argparse
import datetime
import importlib
import pkgutil
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import benchmarks
from benchmarks import machine

README = Path(__file__).with_name("README.md")
HEAD = "| what | figure | target | beside it | remarks |\n|---|---|---|---|---|"


def found() -> dict[str, ModuleType]:
    """The benchmarks, by name."""
    names = (module.name for module in pkgutil.iter_modules(benchmarks.__path__) if not module.name.startswith("_"))
    modules = {name: importlib.import_module(f"benchmarks.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "CLAIM")}


def table(rows: list[dict[str, Any]]) -> str:
    """Rows of a benchmark in Markdown."""
    return "\n".join([HEAD, *(f"| {' | '.join(map(_cell, _cells(row)))} |" for row in rows)])


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str, str]:
    beside = f"{row['baseline_name']}: {number(row['baseline_value'])}" if row["baseline_name"] else ""
    target = f"{row['target']} {'✓' if met(row) else '**missed**'}" if row["target"] else ""
    return row["name"], f"**{number(row['value'])}** {row['unit']}", target, beside, row["note"]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def number(value: float | None) -> str:
    """A figure as people write it."""
    return "-" if value is None else f"{value:,}"


def met(row: dict[str, Any]) -> bool:
    """Does a figure hold its target, `<= N` or `>= N`?

    Raises:
        ValueError: the target is written otherwise.
    """
    match = re.fullmatch(r"(<=|>=) ?([0-9.,]+).*", row["target"])
    if match is None or row["value"] is None:
        raise ValueError(f"target {row['target']!r} of {row['name']}: write <= N or >= N")
    bound = float(match[2].replace(",", ""))
    return bool(row["value"] <= bound if match[1] == "<=" else row["value"] >= bound)


def written(text: str, name: str, block: str) -> str:
    """The README with the block of one benchmark replaced.

    Raises:
        ValueError: it has no markers for it.
    """
    start, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
    if start not in text or end not in text:
        raise ValueError(f"{README}: add the lines {start} and {end} where the table belongs")
    return text.partition(start)[0] + f"{start}\n{block}\n{end}" + text.partition(end)[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="which (default: all)")
    parser.add_argument("--quick", action="store_true", help="less data, README.md untouched")
    given = parser.parse_args()
    known = found()
    unknown = set(given.names) - known.keys()
    if unknown:
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    missed = 0
    for name in given.names or known:
        on = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}, {machine.description()}"
        print(f"\n{name}: {known[name].CLAIM}\n{on}", flush=True)
        rows = known[name].run(given.quick)
        print(table(rows), flush=True)
        missed += sum(not met(row) for row in rows if row["target"])
        if not given.quick:
            README.write_text(written(README.read_text(), name, f"{on}.\n\n{table(rows)}"))
    print(f"\n{missed} targets missed" if missed else "\nall targets met")
    return 0


if __name__ == "__main__":
    sys.exit(main())
