"""`python -m collectors.otlp`: a receiver for programs; people use `workbench collect otlp`."""

import argparse
import logging
import os
import sys
from pathlib import Path

from collectors.otlp.child import LOG_FORMAT
from collectors.otlp.options import TOKEN_VARIABLE, Options, token_in
from collectors.otlp.receiver import serve
from workbench.lake.errors import BadParameter, WorkbenchError

log = logging.getLogger("workbench.otlp")


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(prog="collectors.otlp", description=__doc__)
    parser.add_argument("--lake", required=True, help="directory or URI of the lake")
    parser.add_argument("--grpc", default=Options.grpc, help="HOST:PORT, port 0 takes a free one")
    parser.add_argument("--http", default=Options.http, help="HOST:PORT, port 0 takes a free one")
    parser.add_argument("--wal", type=Path, help="directory of the write-ahead log (default: <lake>/_wal)")
    parser.add_argument("--wal-budget-bytes", type=int, default=Options.wal_budget_bytes)
    parser.add_argument("--max-request-bytes", type=int, default=Options.max_request_bytes)
    parser.add_argument("--body-seconds", type=float, default=Options.body_seconds)
    parser.add_argument("--maintain-every", default=Options.maintain_every, help="5m, or never")
    parser.add_argument("--retention", default=Options.retention)
    parser.add_argument("--metrics-every", default=Options.metrics_every, help="10s, or never")
    parser.add_argument("--tls-certificate", type=Path)
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument("--token-file", type=Path, help=f"file with the bearer token (default: ${TOKEN_VARIABLE})")
    parser.add_argument("--ready-file", type=Path, help="written with both addresses when they listen")
    given = vars(parser.parse_args())
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    try:
        given["token"] = token_in(given.pop("token_file"), os.environ.get(TOKEN_VARIABLE))
        sys.exit(serve(Options(**given)))
    except WorkbenchError as error:
        log.error("%s", error)  # noqa: TRY400 - three lines that say it all
        sys.exit(2 if isinstance(error, BadParameter) else 1)


if __name__ == "__main__":
    main()
