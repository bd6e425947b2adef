"""`workbench import | export`: files into the lake, and the lake into files."""

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import DEFAULT_LAKE, FromOption, LakeOption, LastOption, ToOption
from workbench.lake.errors import LakeError


def import_(
    paths: Annotated[list[Path], typer.Argument(help="Files or directories.", metavar="PATH ...")],
    lake: LakeOption = DEFAULT_LAKE,
    input_format: Annotated[
        str | None, typer.Option("--input-format", help="Format of the files; found by their content if absent.")
    ] = None,
    service: Annotated[
        str | None, typer.Option("--service", help="Service name of rows that bring none.", metavar="NAME")
    ] = None,
) -> None:
    """Bring files into the lake. What is there already is not added again."""
    raise LakeError("nothing is imported yet", f"{paths} into {lake}", f"{input_format}, {service}")


def export(
    signal: Annotated[str, typer.Argument(help="traces, logs, metrics or profiles.", metavar="SIGNAL")],
    output: Annotated[Path, typer.Option("--output", help="File to write; .gz and .zst compress.", metavar="FILE")],
    output_format: Annotated[str, typer.Option("--output-format", help="otlp (protobuf) or otlp-json.")] = "otlp",
    lake: LakeOption = DEFAULT_LAKE,
    last: LastOption = None,
    start: FromOption = None,
    end: ToOption = None,
) -> None:
    """Take a window of the lake out into a file that other tools read."""
    raise LakeError(
        "nothing is exported yet", f"{signal} of {lake} to {output}", f"{output_format}, {last}, {start}, {end}"
    )
