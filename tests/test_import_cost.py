"""What comes along with an import, seen in a fresh process."""

import json
import subprocess
import sys

import pytest

HEAVY = ["aiohttp", "anywidget", "deltalake", "duckdb", "grpc", "networkx", "numpy", "pandas", "papermill", "plotly"]
HEAVY += ["polars", "pyarrow", "rich"]
STORE = ["deltalake", "duckdb", "polars"]


def loaded_by(statement: str) -> set[str]:
    program = f"import sys, json\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_workbench_loads_nothing_heavy():
    assert not loaded_by("import workbench") & set(HEAVY)


def test_importing_the_command_line_loads_nothing_of_the_store():
    assert not loaded_by("import workbench.cli.app") & set(HEAVY) - {"rich"}


@pytest.mark.parametrize("server", ["collectors.otlp.receiver", "collectors.otlp.http", "collectors.otlp.grpc_server"])
def test_the_receiving_process_stays_small(server):
    assert not loaded_by(f"import {server}") & set(STORE)


def test_every_public_name_loads_and_an_unknown_one_says_where_to_look():
    import workbench as wb

    assert {*wb._PLACES, "__version__"} == set(wb.__all__)
    for name in wb.__all__:
        assert getattr(wb, name) is not None
    with pytest.raises(AttributeError, match=r"dir\(workbench\)"):
        wb.servcie_map  # noqa: B018
