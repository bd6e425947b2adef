"""Options that many commands share: which lake, which window, which format."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from workbench.lake.errors import BadParameter

if TYPE_CHECKING:
    from workbench.lake import Window


class Format(StrEnum):
    """How an answer is printed."""

    table = "table"
    json = "json"
    csv = "csv"


LakeOption = Annotated[
    str, typer.Option("--lake", envvar="WORKBENCH_LAKE", help="Directory or URI of the lake.", metavar="DIR")
]
LastOption = Annotated[
    str | None, typer.Option("--last", help="Only the last 30m, 1h, 2d ... before now.", metavar="DURATION")
]
FromOption = Annotated[
    str | None, typer.Option("--from", help="Start of the window, for example 2026-11-24T12:00:00Z.", metavar="TIME")
]
ToOption = Annotated[str | None, typer.Option("--to", help="End of the window, not included.", metavar="TIME")]
FormatOption = Annotated[Format, typer.Option("--format", help="How to print the answer.")]

DEFAULT_LAKE = "lake"


def window_of(lake: str, last: str | None, start: str | None, end: str | None) -> "Window":
    """The window that the options name; none of them means the whole lake."""
    from workbench.lake import Lake

    if last is not None and start is not None:
        raise BadParameter("--last and --from together", "the window", "give one of them (--last may go with --to)")
    opened = Lake(lake)
    return opened.last(last, until=end) if last is not None else opened.window(start, end)
