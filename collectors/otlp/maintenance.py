"""One run of compaction and retention, then the process ends.

The receiver starts it as `python -m collectors.otlp.maintenance PARENT LAKE RETENTION`.
"""

import logging
import sys
from functools import partial

from collectors.otlp import child
from workbench.lake import LakeBusy, WorkbenchError
from workbench.lake.compact import compact
from workbench.lake.expire import expire

FEWEST = 8  # files worth merging while new ones arrive every second

log = logging.getLogger("workbench.otlp.maintenance")


def main() -> None:
    """Merge small files, drop old rows. Another maintenance run going on is no failure."""
    child.begin()
    lake, retention = sys.argv[1:]
    failed = False
    # Each on its own: where compaction fails for want of room, dropping old rows is what makes some.
    for act in (partial(compact, lake, fewest=FEWEST), partial(expire, lake, retention=retention)):
        try:
            act()
        except LakeBusy:
            log.info("another process maintains this lake")
        except WorkbenchError as error:
            log.error("%s", error)  # noqa: TRY400 - three lines that say it all
            failed = True
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
