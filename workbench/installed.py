"""Where do notebooks and datasets lie: beside the package in a checkout, inside it in an installed wheel?"""

from pathlib import Path

from workbench.lake import BadParameter, LakeError

PACKAGE = Path(__file__).resolve().parent
FOLDERS = ("notebooks", "datasets")


def folder(name: str, *, package: Path = PACKAGE) -> Path:
    """The folder `notebooks` or `datasets` of this installation.

    Args:
        package: the directory of the package `workbench`; another one only in tests.

    Raises:
        BadParameter: no such folder is shipped.
        LakeError: it should be there and is not: a broken installation.
    """
    if name not in FOLDERS:
        raise BadParameter(f"no folder {name!r} is shipped", "workbench.installed", f"one of: {', '.join(FOLDERS)}")
    places = (package / "_data" / name, package.parent / name)  # a wheel first: its neighbours are other packages
    for place in places:
        if place.is_dir():
            return place
    where = " and ".join(str(place) for place in places)
    raise LakeError(f"the folder {name!r} is missing", where, "install again: pip install --force-reinstall .")
