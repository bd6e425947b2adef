"""What payments keeps: charges and the lines of each order, in PostgreSQL; in SQLite where there is none."""

import contextlib
import queue
import sqlite3
from collections.abc import Iterator

import psycopg

import tally

TABLES = (
    "create table charges (order_id text primary key, user_id text, cents bigint, status text)",
    "create table order_lines (order_id text, product_id text, quantity integer)",
    "create index charges_of_user on charges (user_id)",
    "create index lines_of_order on order_lines (order_id)",
)


class Ledger:
    """A few connections, each used by one request at a time. Statements are written for PostgreSQL."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.idle: queue.LifoQueue = queue.LifoQueue()

    def rows(self, statement: str, *values) -> list[tuple]:
        """What a statement answers."""
        with self._cursor() as cursor:
            cursor.execute(self._spelled(statement), values)
            return cursor.fetchall() if cursor.description else []

    def many(self, statement: str, rows: list[tuple]) -> None:
        """One statement for many rows."""
        with self._cursor() as cursor:
            cursor.executemany(self._spelled(statement), rows)

    def create(self, charges: list[tuple], lines: list[tuple]) -> None:
        """Make the tables and begin with these rows."""
        for statement in TABLES:
            self.rows(statement)
        self.many("insert into charges values (%s, %s, %s, %s)", charges)
        self.many("insert into order_lines values (%s, %s, %s)", lines)

    def close(self) -> None:
        """Give the connections back."""
        while not self.idle.empty():
            self.idle.get().close()

    @contextlib.contextmanager
    def _cursor(self) -> Iterator:
        try:
            connection = self.idle.get_nowait()
        except queue.Empty:
            connection = self._connection()
        tally.call("ledger")
        with contextlib.closing(connection.cursor()) as cursor:
            yield cursor
        self.idle.put(connection)  # not reached after an error: that connection is given up

    def _connection(self):
        if self.url.startswith("sqlite://"):
            path = self.url.removeprefix("sqlite://")
            return sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        return psycopg.connect(self.url, autocommit=True)

    def _spelled(self, statement: str) -> str:
        return statement.replace("%s", "?") if self.url.startswith("sqlite://") else statement
