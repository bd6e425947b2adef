"""One Delta table of the lake: create it, append exactly once, list its files, replace or drop files.

Order of durability on a local disk: Parquet file and directories fsynced, then the log entry that names the file, then
the entry and its directory fsynced; only then may the caller forget the rows (drop its write-ahead log segment).
`deltalake` itself never fsyncs, so `create_write_transaction` is used with files that we wrote. On an object store
`write_deltalake` does both steps: what a store acknowledged is durable there.

Exactly once: every commit carries Transaction(app_id, sequence); a sequence that the table already has writes nothing.
"""

import contextlib
import datetime
import logging
import re
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import (
    CommitProperties,
    DeltaTable,
    Field,
    PostCommitHookProperties,
    Transaction,
    WriterProperties,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from workbench.lake import parquet
from workbench.lake.disk import fsync_path
from workbench.lake.errors import LakeError
from workbench.lake.recovery import recover
from workbench.lake.schema import VERSION, Table

log = logging.getLogger(__name__)

# No checkpoint that is not fsynced, and no entry cleaned up behind one: `checkpoint` and `expire` see to that.
NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
CHECKPOINT_EVERY = 100
ATTEMPTS = 8
DAY = pa.field("day", pa.date32())
LOG_DAYS = 1  # a commit every two seconds is 43,000 entries a day; `expire` leaves more where a pin needs them
CONFIGURATION = {
    "delta.checkpointInterval": str(CHECKPOINT_EVERY),
    "delta.logRetentionDuration": f"interval {LOG_DAYS} days",
    "delta.deletedFileRetentionDuration": "interval 1 days",
}
DESCRIPTION = "telemetry workbench, schema {version}"
EXTENDED = ", columns added later"  # in the description: files of this table may differ in their columns


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
            remedy = "a torn newest log entry is mended when a collector opens the lake; otherwise restore a backup"
            raise LakeError(f"the table does not open: {error}", self.uri, remedy) from error
        self._check_version()
        if create:
            self._add_columns()

    def _create(self) -> None:
        if self.root:
            recover(self.root)
            self.root.mkdir(parents=True, exist_ok=True)
        statistics = {"delta.dataSkippingStatsColumns": ",".join(self.table.statistics)}
        try:
            if DeltaTable.is_deltatable(self.uri):
                return
            with contextlib.suppress(CommitFailedError):  # another writer made it at the same moment
                DeltaTable.create(
                    self.uri,
                    schema=self.table.schema.append(DAY),
                    mode="ignore",
                    partition_by=["day"],
                    name=self.table.name,
                    description=DESCRIPTION.format(version=VERSION),
                    configuration=CONFIGURATION | statistics,
                )
        except (DeltaError, OSError) as error:
            remedy = "choose a place you may write to, and make room"
            raise LakeError(f"cannot create the table: {error}", self.uri, remedy) from error
        if self.root:
            self._fsync_log(range(1))
            fsync_path(self.root)
            fsync_path(self.root.parent)

    def _check_version(self) -> None:
        """A lake of a newer workbench is not touched: its rows would be misread, or lose columns."""
        found = re.search(r"telemetry workbench, schema (\d+)", self.delta.metadata().description or "")
        if not found:
            raise LakeError("not a table of the workbench", self.uri, "give the directory of a lake")
        if int(found[1]) > VERSION:
            raise LakeError(
                f"the lake has schema {found[1]}, this workbench knows {VERSION}",
                self.uri,
                "pip install --upgrade telemetry-workbench",
            )

    def _add_columns(self) -> None:
        """Columns that were declared after this lake was made; rows that are there already have NULL in them."""
        before, attempt = self.delta.version(), 0
        while missing := self.missing_columns():
            attempt += 1
            try:
                self.delta.alter.set_table_description(
                    DESCRIPTION.format(version=VERSION) + EXTENDED, post_commithook_properties=NO_HOOKS
                )
                self.delta.alter.add_columns(
                    [Field.from_arrow(field) for field in missing], post_commithook_properties=NO_HOOKS
                )
            except (DeltaError, OSError) as error:
                # Other writers may be adding them at the same moment: what they have done needs no doing.
                if attempt == ATTEMPTS or not isinstance(error, CommitFailedError):
                    remedy = "choose a place you may write to, and make room"
                    raise LakeError(f"cannot add the columns of this version: {error}", self.uri, remedy) from error
            self.refresh()
        if attempt:
            self._fsync_log(range(before + 1, self.delta.version() + 1))

    def missing_columns(self) -> list[pa.Field]:
        """Declared columns that the stored table does not have yet."""
        known = {field.name for field in self.delta.schema().fields}
        return [field for field in self.table.schema if field.name not in known]

    @property
    def mixed(self) -> bool:
        """May its files differ in their columns? Then an engine has to match them by name."""
        return EXTENDED in (self.delta.metadata().description or "") or bool(self.missing_columns())

    def refresh(self) -> None:
        """See what other processes committed."""
        try:
            self.delta.update_incremental()
        except (DeltaError, OSError):  # the entries between our view and the present were cleaned up
            self._reopen()

    def _reopen(self) -> None:
        try:
            self.delta = DeltaTable(self.uri)
        except (DeltaError, OSError) as error:
            raise LakeError(f"the log cannot be read: {error}", self.uri, "workbench maintain verify") from error

    def committed(self, app_id: str) -> int:
        """The last sequence that `app_id` has in this table, -1 if none."""
        try:
            found = self.delta.transaction_version(app_id)
        except DeltaError:  # our view is older than the last clean-up of the log
            self._reopen()
            found = self.delta.transaction_version(app_id)
        return -1 if found is None else int(found)

    def append(self, rows: pa.Table, app_id: str, sequence: int) -> int:
        """Rows written: all of them, or none when `sequence` is there already. Durable when it returns.

        Raises:
            LakeError: nothing of this batch is in the table; the same call may be made again.
        """
        transaction = CommitProperties(app_transactions=[Transaction(app_id, sequence)])
        try:
            if sequence <= self.committed(app_id):
                # Perhaps by a process that was killed before its fsync, and the caller forgets the rows now.
                self._fsync_log(range(max(0, self.delta.version() - CHECKPOINT_EVERY), self.delta.version() + 1))
                return 0
            before = self.delta.version()
            if self.root:
                written = self._commit(parquet.write_batch(self.root, self.table, rows), transaction, app_id, sequence)
            else:
                written = self._append_to_store(rows, transaction, app_id, sequence)
        except (DeltaError, OSError, pa.ArrowException) as error:
            remedy = "make room or make it writable; nothing acknowledged is lost"
            raise LakeError(f"cannot append: {error}", self.uri, remedy) from error
        # Not "is it a round version": another writer may have taken that one.
        if before // CHECKPOINT_EVERY != self.delta.version() // CHECKPOINT_EVERY:
            self.checkpoint()
        return int(rows.num_rows) if written else 0

    def _append_to_store(self, rows: pa.Table, transaction: CommitProperties, app_id: str, sequence: int) -> bool:
        with_day = pa.concat_tables(
            part.append_column(DAY, pa.array([datetime.date.fromisoformat(day)] * part.num_rows, DAY.type))
            for day, part in parquet.by_day(rows, self.table, time.time_ns())
        )
        try:
            write_deltalake(
                self.delta,
                with_day,
                mode="append",
                writer_properties=WriterProperties(compression="ZSTD", compression_level=parquet.ZSTD_LEVEL),
                commit_properties=transaction,
                post_commithook_properties=NO_HOOKS,
            )
        except CommitFailedError:
            self.refresh()
            if sequence > self.committed(app_id):
                raise
            return False
        self.refresh()
        return True

    def _commit(
        self,
        actions: list[AddAction | RemoveAction],
        properties: CommitProperties | None = None,
        app_id: str = "",
        sequence: int = -1,
    ) -> bool:
        """Name files in the log, try again from a fresh view when another writer came first.

        False: a twin with the same application id was faster, and our files are deleted again.
        """
        before = self.delta.version()
        named = False
        try:
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    self.delta.create_write_transaction(
                        actions,
                        "append",
                        self.delta.schema(),
                        partition_by=["day"],
                        commit_properties=properties,
                        post_commithook_properties=NO_HOOKS,
                    )
                    named = True
                    break
                except CommitFailedError:
                    self.refresh()
                    if app_id and sequence <= self.committed(app_id):
                        break
                    if attempt == ATTEMPTS:
                        raise
            self.refresh()  # the commit leaves the handle one version behind
        finally:
            if not named:
                self._forget(actions)
        self._fsync_log(range(before + 1, self.delta.version() + 1))
        return named

    def _forget(self, actions: list[AddAction | RemoveAction]) -> None:
        """Delete files that a commit was to name and did not: on a full disk every retry would leave one more."""
        ours = {action.path for action in actions if isinstance(action, AddAction)}
        with contextlib.suppress(LakeError, DeltaError, OSError):
            self.refresh()  # a commit may have reached the log although it reported a failure
            for path in ours - set(self.files()["path"].to_pylist()):
                (Path(self.uri) / path).unlink(missing_ok=True)

    def _fsync_log(self, versions: range) -> None:
        """Entries and their directory on the disk: ours, and what ours builds on."""
        if self.root:
            entries = self.root / "_delta_log"
            for version in versions:
                with contextlib.suppress(FileNotFoundError):  # cleaned up meanwhile
                    fsync_path(entries / f"{version:020d}.json")
            fsync_path(entries)

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
        try:
            self._commit([*new, *removed])
        except (DeltaError, OSError) as error:
            remedy = "make room or make it writable; the table is as it was"
            raise LakeError(f"cannot replace files: {error}", self.uri, remedy) from error

    def checkpoint(self) -> bool:
        """A checkpoint of the log, on the disk before any entry behind it is cleaned up; False: it failed."""
        try:
            self.delta.create_checkpoint()
            if self.root:
                entries = self.root / "_delta_log"
                for file in [*entries.glob(f"{self.delta.version():020d}.checkpoint*"), entries / "_last_checkpoint"]:
                    if file.exists():
                        fsync_path(file)
                fsync_path(entries)
        except (DeltaError, OSError) as error:  # never worth failing a commit that is durable already
            log.warning("checkpoint of %s failed: %s", self.uri, error)
            return False
        return True
