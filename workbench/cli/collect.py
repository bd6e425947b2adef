"""`workbench collect ...`: live sources into the lake."""

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import DEFAULT_LAKE, LakeOption

app = typer.Typer(no_args_is_help=True, help="Collect from live sources into the lake.")
LIMITS, SECURITY, UPKEEP = "Limits", "Who may send", "Upkeep"


@app.callback()
def group() -> None:
    """Collect from live sources into the lake."""


@app.command()
def otlp(
    grpc: Annotated[str, typer.Option("--grpc", metavar="HOST:PORT", help="OTLP/gRPC address.")] = "127.0.0.1:4317",
    http: Annotated[str, typer.Option("--http", metavar="HOST:PORT", help="OTLP/HTTP address.")] = "127.0.0.1:4318",
    lake: LakeOption = DEFAULT_LAKE,
    wal: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Directory of the write-ahead log, on a local disk. Default: LAKE/_wal."),
    ] = None,
    wal_budget_bytes: Annotated[
        int, typer.Option(metavar="BYTES", help="Refuse new requests when so much waits.", rich_help_panel=LIMITS)
    ] = 2 << 30,
    max_request_bytes: Annotated[
        int, typer.Option(metavar="BYTES", help="Largest request, decompressed.", rich_help_panel=LIMITS)
    ] = 64 << 20,
    body_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="How long one HTTP body may take.", rich_help_panel=LIMITS)
    ] = 30.0,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="File with the bearer token that clients must send. Default: the variable WORKBENCH_OTLP_TOKEN.",
            rich_help_panel=SECURITY,
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TLS on both ports: certificate chain (PEM).", rich_help_panel=SECURITY),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Its private key (PEM).", rich_help_panel=SECURITY)
    ] = None,
    retention: Annotated[
        str, typer.Option(metavar="DURATION", help="How long rows stay in the lake.", rich_help_panel=UPKEEP)
    ] = "15d",
    maintain_every: Annotated[
        str, typer.Option(metavar="DURATION", help="Compact and expire so often, or never.", rich_help_panel=UPKEEP)
    ] = "5m",
    metrics_every: Annotated[
        str,
        typer.Option(metavar="DURATION", help="Own health into the lake so often, or never.", rich_help_panel=UPKEEP),
    ] = "10s",
    ready_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Written when it listens: the addresses as JSON.", rich_help_panel=UPKEEP),
    ] = None,
) -> None:
    """Receive traces, logs, metrics and profiles over OTLP, gRPC and HTTP, until Ctrl-C or SIGTERM.

    A request is acknowledged when it is on the disk. At the end all that was acknowledged is brought into the lake.
    """
    import logging

    from collectors.otlp.child import LOG_FORMAT
    from collectors.otlp.options import TOKEN_VARIABLE, Options, token_in
    from collectors.otlp.receiver import serve

    options = Options(
        lake=lake,
        grpc=grpc,
        http=http,
        wal=wal,
        wal_budget_bytes=wal_budget_bytes,
        max_request_bytes=max_request_bytes,
        body_seconds=body_seconds,
        token=token_in(token_file, os.environ.get(TOKEN_VARIABLE)),
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        maintain_every=maintain_every,
        retention=retention,
        metrics_every=metrics_every,
        ready_file=ready_file,
    )
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)

    def listening(http: str, grpc: str) -> None:
        scheme = "https" if tls_certificate else "http"
        for line in (
            f"OTLP/HTTP  {scheme}://{http}",
            f"OTLP/gRPC  {scheme}://{grpc}",
            f"lake       {lake if '://' in lake else Path(lake).expanduser().absolute()}",
            f"health     {scheme}://{http}/healthz",
            f"send       OTEL_EXPORTER_OTLP_ENDPOINT={scheme}://{http} OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
            *(["           OTEL_EXPORTER_OTLP_HEADERS='authorization=Bearer%20<token>'"] if options.token else []),
            "stop       Ctrl-C; what was acknowledged is committed first",
        ):
            print(line, file=sys.stderr, flush=True)

    raise typer.Exit(serve(options, listening=listening))
