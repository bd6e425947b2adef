"""`workbench services | operations | red | service-map | sql`: questions to a window of the lake."""

from typing import Annotated

import typer

from workbench.cli.options import (
    DEFAULT_LAKE,
    Format,
    FormatOption,
    FromOption,
    LakeOption,
    LastOption,
    ToOption,
    window_of,
)
from workbench.cli.output import document, show


def services(
    lake: LakeOption = DEFAULT_LAKE,
    last: LastOption = None,
    start: FromOption = None,
    end: ToOption = None,
    form: FormatOption = Format.table,
) -> None:
    """Which services are there, how busy, how slow, how faulty?

    Example: workbench services --last 1h
    """
    import workbench as wb

    show(wb.services(window_of(lake, last, start, end)), form)


def operations(
    service: Annotated[str, typer.Argument(help="Name of the service.", metavar="SERVICE")],
    lake: LakeOption = DEFAULT_LAKE,
    last: LastOption = None,
    start: FromOption = None,
    end: ToOption = None,
    form: FormatOption = Format.table,
) -> None:
    """What does a service do, and what does it cost? One line per span name, kind and route, dearest first.

    Example: workbench operations checkout --last 1h --format csv
    """
    import workbench as wb

    show(wb.operations(window_of(lake, last, start, end), service=service), form)


def red(
    lake: LakeOption = DEFAULT_LAKE,
    service: Annotated[str | None, typer.Option("--service", help="Only this service.")] = None,
    by: Annotated[str, typer.Option("--by", help="Lines per `service` or per `operation`.")] = "service",
    step: Annotated[str, typer.Option("--step", help="Length of a time bucket (10s, 1m, ...), or auto.")] = "auto",
    last: LastOption = None,
    start: FromOption = None,
    end: ToOption = None,
    form: FormatOption = Format.table,
) -> None:
    """Rate, errors and duration over time: one line per service, or operation, and time bucket.

    Example: workbench red --service checkout --by operation --step 1m --last 6h
    """
    import workbench as wb

    show(wb.red(window_of(lake, last, start, end), service=service, by=by, step=step), form)


def service_map(
    lake: LakeOption = DEFAULT_LAKE,
    last: LastOption = None,
    start: FromOption = None,
    end: ToOption = None,
    form: FormatOption = Format.table,
) -> None:
    """Who calls whom, how often, how slowly, with how many errors? JSON has nodes and edges, CSV only the edges.

    Example: workbench service-map --last 1h --format json
    """
    import workbench as wb

    topology = wb.service_map(window_of(lake, last, start, end))
    if form is Format.json:
        document({"nodes": topology.nodes.to_dicts(), "edges": topology.edges.to_dicts()})
    elif form is Format.csv:
        show(topology.edges, form)
    else:
        show(topology.nodes, form, title="nodes")
        show(topology.edges, form, title="edges")


def sql(
    query: Annotated[str, typer.Argument(help='For example "select service_name, count(*) from spans group by 1".')],
    lake: LakeOption = DEFAULT_LAKE,
    last: LastOption = None,
    start: FromOption = None,
    end: ToOption = None,
    form: FormatOption = Format.table,
) -> None:
    """Ask in SQL (DuckDB's dialect); the tables hold only the window.

    Example: workbench sql "describe spans"
    """
    show(window_of(lake, last, start, end).sql(query), form)
