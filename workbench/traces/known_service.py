"""Is there a service of this name in the window? An empty answer is an answer, but a slip of the pen is told."""

import difflib
import warnings

from workbench.lake import EmptyWindow, Window

SQL = "select distinct service_name from spans where service_name is not null order by service_name"


def tell_unknown(window: Window, service: str) -> None:
    """Warn that `service` has no spans in this window, with the near names; silent when nobody has.

    Not an error: a service that fell silent must not break the report that is to say so.
    """
    known: list[str] = window.sql(SQL)["service_name"].to_list()
    if not known or service in known:
        return
    near = difflib.get_close_matches(service, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known[:10])}"
    warnings.warn(f"no spans of service {service!r} in this window; {hint}", EmptyWindow, stacklevel=3)
