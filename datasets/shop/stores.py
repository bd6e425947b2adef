"""The stores behind the services: Redis and PostgreSQL on free loopback ports, with nothing kept afterwards.

Where one of them is not installed, SQLite stands in. PostgreSQL refuses to run as root, so it runs as its own user.
"""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

import ledger
import products
import stock
import stream
from processes import Child, Children, ShopError

USERS = [f"user{number}" for number in range(20)]


@dataclass(frozen=True)
class Store:
    """Where a store is (`url`), what it is on a service map (`node`), and what people are told about it."""

    url: str
    node: str
    note: str


def redis_program() -> str | None:
    """Debian's redis-server, if it is installed."""
    return shutil.which("redis-server")


def postgres_programs() -> Path | None:
    """The directory of initdb and postgres: Debian keeps it out of the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    if found:
        return found[-1].parent
    return Path(initdb).resolve().parent if (initdb := shutil.which("initdb")) else None


def start_redis(program: str, directory: Path, children: Children, host: str) -> Store:
    """Redis, without anything on disk."""
    port = _free_port()
    command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory)]
    with open(directory / "redis.log", "wb") as log:
        child = children.start("redis-server", [*command, "--save", ""], stdout=log, stderr=log)
    url = f"redis://127.0.0.1:{port}/0"
    _wait_for(children, child, directory / "redis.log", lambda: redis.Redis.from_url(url).ping(), redis.ConnectionError)
    return Store(url, f"database:redis@{host}/localhost:{port}", f"redis-server on port {port}")


def start_postgres(programs: Path, directory: Path, children: Children, host: str) -> Store:
    """PostgreSQL with a fresh cluster in `directory`; durability is off, as nothing is kept."""
    port = _free_port()
    as_user = {}
    if os.geteuid() == 0:
        account = _unprivileged()
        os.chown(directory, account.pw_uid, account.pw_gid)
        as_user = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
    initdb = [str(programs / "initdb"), "--pgdata", str(directory / "data"), "--username", "shop", "--auth", "trust"]
    initdb += ["--no-sync", "--encoding", "UTF8", "--locale", "C"]
    made = subprocess.run(initdb, capture_output=True, text=True, cwd=directory, check=False, **as_user)
    if made.returncode:
        raise ShopError(f"initdb failed: {made.stderr.strip()}")
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off"}
    settings |= {"synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "16MB"}
    command = [str(programs / "postgres"), "-D", str(directory / "data")]
    command += [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    with open(directory / "log", "wb") as log:
        child = children.start(
            "postgres", command, politely=signal.SIGINT, cwd=directory, stdout=log, stderr=log, **as_user
        )
    url = f"postgresql://shop@127.0.0.1:{port}/postgres"
    _wait_for(children, child, directory / "log", lambda: psycopg.connect(url).close(), psycopg.OperationalError)
    node = f"database:postgresql/postgres@{host}/localhost:{port}"
    return Store(url, node, f"PostgreSQL {programs.parent.name} on port {port}")


def stand_in(directory: Path) -> Store:
    """One SQLite file for whatever is missing."""
    path = directory / "shop.sqlite"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("pragma journal_mode = wal")  # readers and a writer at once; the file remembers it
    return Store(f"sqlite://{path}", "database:sqlite", "SQLite stands in")


def fill(stock_url: str, ledger_url: str, stream_url: str) -> None:
    """What the shop has when it opens: products, and twenty earlier orders of every user."""
    stock.opened(stock_url).fill(products.ALL)
    stream.opened(stream_url).create()
    orders = [(f"{user}-{number:02}", user, number) for user in USERS for number in range(20)]
    charges = [(order, user, 1000 + number, "paid") for order, user, number in orders]
    lines = [(order, f"p{1 + (number + line) % 200}", 1 + line) for order, _, number in orders for line in range(3)]
    with contextlib.closing(ledger.Ledger(ledger_url)) as opened:
        opened.create(charges, lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _unprivileged() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise ShopError("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody` to run it as")


def _wait_for(
    children: Children, child: Child, log: Path, answers: Callable[[], object], refused: type[Exception]
) -> None:
    for _ in range(300):
        if (status := child.process.poll()) is not None:
            words = log.read_text(errors="replace")[-2000:]
            children.children.remove(child)
            raise ShopError(f"{child.name} did not start (status {status}):\n{words}")
        with contextlib.suppress(refused):
            answers()
            return
        time.sleep(0.1)
    raise ShopError(f"{child.name} does not answer after 30 s")
