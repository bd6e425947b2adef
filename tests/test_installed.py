"""Notebooks and datasets are found in a checkout and in an installed wheel; `workbench lab` works on copies of them."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import ROOT
from workbench.cli.lab import lab
from workbench.installed import FOLDERS, folder
from workbench.lake import BadParameter, LakeError


def test_in_a_checkout_they_lie_beside_the_package():
    assert folder("notebooks") == ROOT / "notebooks"
    assert folder("datasets") == ROOT / "datasets"


def test_in_a_wheel_they_lie_in_the_package_whatever_its_neighbours_are_called(tmp_path):
    (tmp_path / "workbench/_data/notebooks").mkdir(parents=True)
    (tmp_path / "notebooks").mkdir()  # another distribution in site-packages
    assert folder("notebooks", package=tmp_path / "workbench") == tmp_path / "workbench/_data/notebooks"


def test_a_broken_installation_and_an_unknown_folder_say_what_to_do(tmp_path):
    with pytest.raises(LakeError, match="install again"):
        folder("notebooks", package=tmp_path / "workbench")
    with pytest.raises(BadParameter, match="one of: notebooks, datasets"):
        folder("recipes")


def test_the_wheel_is_told_to_carry_every_folder():
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {name: f"workbench/_data/{name}" for name in FOLDERS}


def test_reports_are_found_from_a_wheels_layout(tmp_path):
    site = tmp_path / "site"
    for package in ("workbench", "widgets", "collectors"):
        shutil.copytree(ROOT / package, site / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "notebooks", site / "workbench/_data/notebooks")
    program = "from workbench.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "reports", "list", "--format", "json"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert {"service_map", "service_health"} <= {row["name"] for row in json.loads(done.stdout)}


class Started(Exception):
    """Takes the place of the JupyterLab that would now run."""


@pytest.fixture
def started(monkeypatch, tmp_path):
    """`workbench lab` up to the program that it becomes: gives its arguments and environment."""

    def execve(program, arguments, environment):
        raise Started(program, arguments, environment)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "execve", execve)

    def start(**options):
        with pytest.raises(Started) as became:
            lab(**({"lake": "shop", "folder": Path("mine"), "port": 8899, "browser": False} | options))
        return became.value.args

    return start


def test_lab_copies_the_notebooks_and_keeps_what_was_changed(started, tmp_path):
    started()
    copies = sorted(path.name for path in (tmp_path / "mine").iterdir())
    assert copies == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    (tmp_path / "mine/service_map.ipynb").write_text("my own")
    (tmp_path / "mine/service_health.ipynb").unlink()
    started()
    assert (tmp_path / "mine/service_map.ipynb").read_text() == "my own"
    assert (tmp_path / "mine/service_health.ipynb").exists()


def test_lab_in_the_folder_of_the_notebooks_copies_nothing(started):
    before = {path: path.stat().st_mtime_ns for path in (ROOT / "notebooks").iterdir()}
    started(folder=ROOT / "notebooks")
    assert {path: path.stat().st_mtime_ns for path in (ROOT / "notebooks").iterdir()} == before


def test_lab_hands_the_lake_on_and_stays_on_loopback(started, tmp_path):
    program, arguments, environment = started()
    assert program == sys.executable
    assert environment["WORKBENCH_LAKE"] == str(tmp_path / "shop")
    assert {"--ip=127.0.0.1", "--port=8899", "--no-browser"} <= set(arguments)
    assert f"--ServerApp.root_dir={tmp_path / 'mine'}" in arguments
    assert started(lake="s3://bucket/lake")[2]["WORKBENCH_LAKE"] == "s3://bucket/lake"
    assert "--no-browser" not in started(browser=True)[1]
