"""One run of compaction and retention, then the process ends.

The receiver starts it as `python -m collectors.otlp.maintenance PARENT LAKE RETENTION`.
"""

import logging
import sys
from collections.abc import Callable

from collectors.otlp import child
from workbench.lake import LakeBusy, WorkbenchError
from workbench.lake.compact import compact
from workbench.lake.expire import expire

FEWEST = 8  # files worth merging while new ones arrive every second
MOST_GROUPS = 16  # the engine keeps a little of each group's memory, which goes with the process

log = logging.getLogger("workbench.otlp.maintenance")


def main() -> None:
    """Merge small files, drop old rows. Another maintenance run going on is no failure."""
    child.begin()
    lake, retention = sys.argv[1:]
    merged, dropped = _done(lambda: _compact(lake)), _done(lambda: expire(lake, retention=retention).height)
    if merged is None or dropped is None:
        sys.exit(1)
    sys.exit(child.MORE_TO_DO if merged == MOST_GROUPS else 0)


def _compact(lake: str) -> int:
    return compact(lake, fewest=FEWEST, most_groups=MOST_GROUPS).height


def _done(act: Callable[[], int]) -> int | None:
    """What the act did, None when it failed; where merging fails for want of room, dropping old rows makes some."""
    try:
        return act()
    except LakeBusy:
        log.info("another process maintains this lake")
        return 0
    except WorkbenchError as error:
        log.error("%s", error)  # noqa: TRY400 - three lines that say it all
        return None


if __name__ == "__main__":
    main()
