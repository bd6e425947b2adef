"""The command `workbench`. One file per group, each thin: read options, ask the library, print.

Exit status: 0 ok, 1 the work failed, 2 wrong use. With `--format json` standard output holds one document and nothing
else; progress and warnings go to standard error.
"""

import io
import sys
import warnings


def main() -> None:
    """Run the command line and turn our errors into three readable lines and an exit status."""
    from workbench.cli.app import app
    from workbench.lake.errors import BadParameter, UnknownName, WorkbenchError

    warnings.showwarning = _one_line
    if isinstance(sys.stdout, io.TextIOWrapper):  # what a locale cannot say is spelled out
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        app()
    except (BadParameter, UnknownName) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except WorkbenchError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # a directory that cannot be made, a file that cannot be read
        where = error.filename or "the operating system"
        print(f"error: {error.strerror or error}\n  where:  {where}\n  remedy: choose another place", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _one_line(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Warnings as a user of the command line wants them: no source line."""
    kind = "note" if category.__module__.startswith("workbench") else "warning"
    print(f"{kind}: {message}", file=sys.stderr)
