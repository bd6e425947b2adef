"""What inventory keeps: products and how many are left, in Redis; in SQLite where there is no Redis."""

import json
import sqlite3

import redis

import tally


def opened(url: str):
    """The store behind the URL."""
    return SqliteStock(url.removeprefix("sqlite://")) if url.startswith("sqlite://") else RedisStock(url)


class RedisStock:
    """`product:<id>` holds a JSON text, `stock:<id>` a number."""

    def __init__(self, url: str) -> None:
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def products(self, ids: list[str]) -> list[dict]:
        """The products that exist, in one round trip."""
        tally.call("stock")
        return [json.loads(text) for text in self.redis.mget([f"product:{each}" for each in ids]) if text]

    def left(self, product: str) -> int:
        """How many are left."""
        tally.call("stock")
        return int(self.redis.get(f"stock:{product}") or 0)

    def take(self, product: str, quantity: int) -> bool:
        """Take some, unless there are too few."""
        tally.call("stock")
        if self.redis.decrby(f"stock:{product}", quantity) >= 0:
            return True
        tally.call("stock")
        self.redis.incrby(f"stock:{product}", quantity)
        return False

    def fill(self, products: list[dict]) -> None:
        """Begin with these."""
        self.redis.mset({f"product:{each['id']}": json.dumps(each) for each in products})
        self.redis.mset({f"stock:{each['id']}": each["stock"] for each in products})


class SqliteStock:
    """The same in a table."""

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)

    def _execute(self, statement: str, *values) -> sqlite3.Cursor:
        tally.call("stock")
        return self.connection.cursor().execute(statement, values)  # only cursors are instrumented

    def products(self, ids: list[str]) -> list[dict]:
        """The products that exist, in one statement."""
        rows = self._execute("select body from stock where id in (select value from json_each(?))", json.dumps(ids))
        found = {each["id"]: each for each in (json.loads(body) for (body,) in rows)}
        return [found[each] for each in ids if each in found]

    def left(self, product: str) -> int:
        """How many are left."""
        row = self._execute("select left_over from stock where id = ?", product).fetchone()
        return row[0] if row else 0

    def take(self, product: str, quantity: int) -> bool:
        """Take some, unless there are too few."""
        statement = "update stock set left_over = left_over - ?1 where id = ?2 and left_over >= ?1"
        return self._execute(statement, quantity, product).rowcount == 1

    def fill(self, products: list[dict]) -> None:
        """Begin with these."""
        self.connection.execute("create table stock (id text primary key, body text, left_over integer)")
        rows = [(each["id"], json.dumps(each), each["stock"]) for each in products]
        self.connection.executemany("insert into stock values (?, ?, ?)", rows)
