"""constraints.txt and environment.yml say the same as pyproject.toml."""

import ast
import importlib.metadata
import itertools
import re
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def constraints() -> dict[str, str]:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if line and line[0] != "#"]
    return {_canonical(name): version for name, _, version in (line.partition("==") for line in lines)}


def test_every_direct_dependency_is_pinned_to_a_version_it_allows():
    pinned = constraints()
    direct = [*PROJECT["dependencies"], *itertools.chain(*PROJECT["optional-dependencies"].values())]
    for text in direct:
        requirement = Requirement(text)
        version = pinned.get(_canonical(requirement.name))
        assert version, f"{requirement.name} is missing in constraints.txt: make constraints"
        assert requirement.specifier.contains(version, prereleases=True), f"{text} excludes {version}"


def test_every_pinned_version_runs_on_every_python_that_the_project_names():
    oldest = ("3.11.2", "3.12.0", "3.13.0")  # 3.11.2 is what Debian 12 has
    pinned, refused = constraints(), []
    for each in importlib.metadata.distributions():
        name, python = _canonical(each.metadata["Name"]), each.metadata.get("Requires-Python") or ""
        if pinned.get(name) == each.version:
            refused += [f"{name} {each.version}: {python}" for one in oldest if one not in SpecifierSet(python)]
    assert refused == []


def test_every_package_that_is_imported_is_a_declared_dependency():
    ours = {"workbench", "collectors", "widgets"}
    declared = {_canonical(Requirement(text).name) for text in PROJECT["dependencies"]}
    providers = importlib.metadata.packages_distributions()
    missing = {}
    for path in itertools.chain(*((ROOT / package).rglob("*.py") for package in ours)):
        for node in ast.walk(ast.parse(path.read_text())):
            named = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            named += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            for top in {name.partition(".")[0] for name in named} - ours - sys.stdlib_module_names:
                if not declared & {_canonical(name) for name in providers.get(top, [])}:
                    missing[top] = str(path.relative_to(ROOT))
    assert missing == {}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_conda_environment_is_thin_and_equal_to_the_project():
    text = (ROOT / "environment.yml").read_text()
    assert f"python {PROJECT['requires-python']}" in text
    extras = re.search(r"-e \.\[([a-z,]+)\]", text)
    assert extras, "environment.yml installs the project itself"
    assert set(extras[1].split(",")) == set(PROJECT["optional-dependencies"])
    listed = re.findall(r"^\s*- (\S+)", text, re.MULTILINE)
    assert listed == ["conda-forge", "python", "pip", "pip:", "-c", "-e"], "versions belong to pyproject.toml"


def test_no_constraint_names_an_address():
    for file in ("constraints.txt", "environment.yml", "pyproject.toml"):
        assert "://" not in (ROOT / file).read_text().replace("conda-forge", "")
