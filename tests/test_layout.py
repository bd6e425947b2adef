"""The arrows of the house: who may import whom. The table is the one of docs/architecture.md."""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
ANALYSES = ("workbench.traces", "workbench.topology", "workbench.profiles", "workbench.threads", "workbench.logs")
ANALYSES += ("workbench.metrics",)
JUDGEMENT = ("workbench.anomaly", "workbench.rootcause", "workbench.models", "workbench.alerts", "workbench.sampling")
EVERYTHING = ("workbench", "collectors", "widgets")

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "workbench.lake": (),
    "workbench.formats": ("workbench.lake",),
    "workbench.installed": ("workbench.lake",),
    "collectors": ("workbench.lake", "workbench.formats"),
    **dict.fromkeys(ANALYSES, ("workbench.lake", *ANALYSES)),
    **dict.fromkeys(JUDGEMENT, ("workbench.lake", *ANALYSES, *JUDGEMENT)),
    "widgets": (),
    "workbench.pages": ("workbench.lake", *ANALYSES, *JUDGEMENT, "widgets"),
    "workbench.reports": ("workbench.lake", "workbench.installed"),
    "workbench.cli": EVERYTHING,
    "workbench": EVERYTHING,
}


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(room + ".")


def room_of(module: str) -> str:
    rooms = [room for room in MAY_IMPORT if within(module, room)]
    assert rooms, f"{module} is in no room of the house"
    return max(rooms, key=len)


def imports(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            found += [(node.lineno, f"{node.module}.{alias.name}") for alias in node.names]
    return [(line, name) for line, name in found if name.split(".")[0] in EVERYTHING]


def broken_arrows(root: Path) -> list[str]:
    broken = []
    for package in EVERYTHING:
        for path in sorted((root / package).rglob("*.py")):
            relative = path.relative_to(root)
            module = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
            room = room_of(module)
            allowed = (room, *MAY_IMPORT[room]) if room != "workbench" else EVERYTHING
            for line, name in imports(path):
                if not any(within(name, each) for each in allowed):
                    broken.append(f"{relative}:{line}: {room} may not import {name}")
    return broken


def test_every_import_follows_the_arrows_of_the_house():
    assert broken_arrows(ROOT) == []


def test_a_broken_arrow_is_found(tmp_path):
    for package in EVERYTHING:
        (tmp_path / package / "lake").mkdir(parents=True)
    (tmp_path / "workbench/lake/wrong.py").write_text("import os\nfrom widgets import ServiceMap\n")
    assert broken_arrows(tmp_path) == [
        "workbench/lake/wrong.py:2: workbench.lake may not import widgets.ServiceMap",
    ]


def test_modules_can_be_read_in_one_sitting():
    files = [path for package in EVERYTHING for path in (ROOT / package).rglob("*.py")]
    files += list((ROOT / "widgets").rglob("*.js"))
    long = {str(path.relative_to(ROOT)): n for path in files if (n := len(path.read_text().splitlines())) > 450}
    assert long == {}


def test_no_room_is_called_utils():
    names = {path.stem for package in EVERYTHING for path in (ROOT / package).rglob("*.py")}
    assert not names & {"utils", "util", "misc", "common", "helpers"}
