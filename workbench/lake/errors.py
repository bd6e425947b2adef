"""What went wrong, where, and the remedy. On the lowest floor, so that everyone may import it."""

import difflib
from typing import Self


class WorkbenchError(Exception):
    """Base of all we raise on purpose. Subclasses add no `__init__`: pickle rebuilds them from these three texts."""

    def __init__(self, what: str, where: str, remedy: str) -> None:
        super().__init__(what, where, remedy)
        self.what, self.where, self.remedy = what, where, remedy

    def __str__(self) -> str:
        return f"{self.what}\n  where:  {self.where}\n  remedy: {self.remedy}"


class BadParameter(WorkbenchError, ValueError):
    """An argument, option or parameter has a value that cannot be used."""


class UnknownName(WorkbenchError, LookupError):
    """A table, column, service, report or format was named that is not there."""

    @classmethod
    def of(cls, kind: str, name: str, known: list[str], where: str) -> Self:
        """The error for `name`, with the near names among `known` as the remedy."""
        near = difflib.get_close_matches(name, known, n=3)
        remedy = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(known)[:10]) or 'none'}"
        return cls(f"no {kind} is called {name!r}", where, remedy)


class BadInput(WorkbenchError, ValueError):
    """Foreign data (a file, a payload) that does not parse."""


class LakeError(WorkbenchError):
    """The lake cannot be opened, read or written."""


class LakeBusy(LakeError):
    """Another process holds the lake's maintenance lock."""


class MissingExtra(WorkbenchError, ImportError):
    """An optional package or program is needed that is not installed."""
