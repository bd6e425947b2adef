"""One Delta table of the lake: create it, append exactly once, list its files, replace or drop files.

Order of durability on a local disk: Parquet file and directories fsynced, then the log entry that names the file, then
the entry and its directory fsynced; only then may the caller forget the rows (drop its write-ahead log segment).
`deltalake` itself never fsyncs, so `create_write_transaction` is used with files that we wrote. On an object store
`write_deltalake` does both steps: what a store acknowledged is durable there.

Exactly once: every commit carries Transaction(app_id, sequence); a sequence that the table already has writes nothing.
"""

import contextlib
import datetime
import json
import logging
import re
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from workbench.lake import parquet
from workbench.lake.disk import fsync_path
from workbench.lake.errors import LakeError
from workbench.lake.schema import VERSION, Table

log = logging.getLogger(__name__)

NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
CHECKPOINT_EVERY = 100
ATTEMPTS = 8
CONFIGURATION = {
    "delta.checkpointInterval": str(CHECKPOINT_EVERY),
    "delta.logRetentionDuration": "interval 30 days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}


class StoredTable:
    """A table of one lake. Keep it: opening again replays the log, `refresh` reads only what is new."""

    def __init__(self, lake: str, table: Table, *, create: bool) -> None:
        self.table = table
        self.uri = f"{lake}/{table.name}"
        self.root = None if "://" in lake else Path(self.uri)  # None: an object store, which has no fsync
        if create:
            self._create()
        try:
            self.delta = DeltaTable(self.uri)
        except (DeltaError, TableNotFoundError) as error:
            raise LakeError(
                f"the table does not open: {error}", self.uri, "workbench maintain verify tells more"
            ) from error
        self._check_version()

    def _create(self) -> None:
        if self.root:
            recover(self.root)
            self.root.mkdir(parents=True, exist_ok=True)
        DeltaTable.create(
            self.uri,
            schema=self.table.schema.append(pa.field("day", pa.date32())),
            mode="ignore",
            partition_by=["day"],
            name=self.table.name,
            description=f"telemetry workbench, schema {VERSION}",
            configuration=CONFIGURATION,
        )
        if self.root:
            self._fsync_log(0)
            fsync_path(self.root.parent)

    def _check_version(self) -> None:
        """A lake of a newer workbench is not touched: its rows would be misread, or lose columns."""
        found = re.search(r"schema (\d+)", self.delta.metadata().description or "")
        if not found:
            raise LakeError("not a table of the workbench", self.uri, "give the directory of a lake")
        if int(found[1]) > VERSION:
            raise LakeError(
                f"the lake has schema {found[1]}, this workbench knows {VERSION}",
                self.uri,
                "pip install --upgrade telemetry-workbench",
            )

    def refresh(self) -> None:
        """See what other processes committed."""
        self.delta.update_incremental()

    def committed(self, app_id: str) -> int:
        """The last sequence that `app_id` has in this table, -1 if none."""
        found = self.delta.transaction_version(app_id)
        return -1 if found is None else int(found)

    def append(self, rows: pa.Table, app_id: str, sequence: int) -> int:
        """Rows written: all of them, or none when `sequence` is there already. Durable when it returns.

        Raises:
            LakeError: nothing of this batch is in the table; the same call may be made again.
        """
        if sequence <= self.committed(app_id):
            return 0
        transaction = CommitProperties(app_transactions=[Transaction(app_id, sequence)])
        try:
            if self.root:
                self._commit(parquet.write_batch(self.root, self.table, rows), transaction, app_id, sequence)
            else:
                self._append_to_store(rows, transaction)
        except (DeltaError, OSError, pa.ArrowException) as error:
            remedy = "make room or make it writable; nothing acknowledged is lost"
            raise LakeError(f"cannot append: {error}", self.uri, remedy) from error
        if self.delta.version() % CHECKPOINT_EVERY == 0:
            self.checkpoint()
        return int(rows.num_rows)

    def _append_to_store(self, rows: pa.Table, transaction: CommitProperties) -> None:
        with_day = pa.concat_tables(
            part.append_column("day", pa.array([datetime.date.fromisoformat(day)] * part.num_rows, pa.date32()))
            for day, part in parquet.by_day(rows, self.table, time.time_ns())
        )
        write_deltalake(
            self.delta,
            with_day,
            mode="append",
            commit_properties=transaction,
            post_commithook_properties=NO_HOOKS,
        )
        self.refresh()

    def _commit(
        self,
        actions: list[AddAction | RemoveAction],
        properties: CommitProperties | None = None,
        app_id: str = "",
        sequence: int = -1,
    ) -> None:
        """Name files in the log, try again from a fresh view when another writer came first."""
        for attempt in range(ATTEMPTS):
            try:
                self.delta.create_write_transaction(
                    actions,
                    "append",
                    self.delta.schema(),
                    partition_by=["day"],
                    commit_properties=properties,
                    post_commithook_properties=NO_HOOKS,
                )
                break
            except CommitFailedError:
                self.refresh()
                if app_id and sequence <= self.committed(app_id):
                    return  # a twin with the same application id was faster; our files stay as orphans
                if attempt == ATTEMPTS - 1:
                    raise
        self.refresh()  # the commit leaves the handle one version behind
        self._fsync_log(self.delta.version())

    def _fsync_log(self, version: int) -> None:
        if self.root:
            entries = self.root / "_delta_log"
            with contextlib.suppress(FileNotFoundError):  # version 0 may be older than the last clean-up
                fsync_path(entries / f"{version:020d}.json")
            fsync_path(entries)
            fsync_path(self.root)

    def files(self) -> pa.Table:
        """One row per live file: path, size_bytes, num_records, modification_time, partition.day, min.*, max.*."""
        return pa.table(self.delta.get_add_actions(flatten=True))

    def replace(self, old: list[dict[str, Any]], new: list[AddAction], *, data_change: bool) -> None:
        """Swap files in one commit; `old` are rows of `files()`.

        Two processes that replace the same files would both commit (the conflict check skips removes without data
        change) and double every row: the caller holds the lake's lock and has refreshed inside it.
        """
        now_ms = time.time_ns() // 10**6
        removed = [
            RemoveAction(each["path"], data_change, now_ms, each["size_bytes"], {"day": str(each["partition.day"])})
            for each in old
        ]
        self._commit([*new, *removed])

    def checkpoint(self) -> None:
        """A checkpoint of the log, on the disk before any entry behind it is cleaned up."""
        try:
            self.delta.create_checkpoint()
        except DeltaError as error:  # never worth failing a commit that is durable already
            log.warning("checkpoint of %s failed: %s", self.uri, error)
            return
        if self.root:
            entries = self.root / "_delta_log"
            for file in [*entries.glob(f"{self.delta.version():020d}.checkpoint*"), entries / "_last_checkpoint"]:
                if file.exists():
                    fsync_path(file)
            fsync_path(entries)


def recover(root: Path) -> list[str]:
    """After a power cut: drop log entries and checkpoints that are torn; names of what was dropped.

    A torn newest entry was never acknowledged: its rows are still in the collector's write-ahead log. Entries appear
    by link() and so are never half there while the machine is up: this does not disturb other writers.
    """
    entries = root / "_delta_log"
    if not entries.is_dir():
        return []
    dropped = []
    for entry in sorted(entries.glob("*.json"), reverse=True):
        try:
            [json.loads(line) for line in entry.read_text().splitlines()]
            if entry.stat().st_size:
                break
        except ValueError:
            pass
        entry.unlink()
        dropped.append(entry.name)
    for file in entries.glob("*.checkpoint*.parquet"):
        try:
            pq.read_metadata(file)
        except (pa.ArrowException, OSError):
            file.unlink()
            (entries / "_last_checkpoint").unlink(missing_ok=True)
            dropped.append(file.name)
    if dropped:
        fsync_path(entries)
        log.warning("recovered %s: dropped torn %s", root, ", ".join(dropped))
    return dropped
