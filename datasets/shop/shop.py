"""A shop of six instrumented services, with people who use it and faults that can be switched on.

    python datasets/shop/shop.py --endpoint http://127.0.0.1:4318 --duration 90s --faults default --truth truth.json

Starts the stores, the services and the load; ends and removes everything afterwards, whatever happens. The truth file
says which fault was on where and when, and who called whom how often, counted by the services themselves.
"""

import argparse
import collections
import json
import math
import os
import signal
import socket
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import schedule
import services
import stores
import stream
from load import Load, visits
from processes import Children, ShopError


class Ended(BaseException):
    """SIGTERM or Ctrl-C."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="shop.py", description=__doc__.splitlines()[0])
    parser.add_argument("--endpoint", required=True, help="where OTLP goes, for example http://127.0.0.1:4318")
    parser.add_argument("--protocol", choices=["http/protobuf", "grpc"], default="http/protobuf")
    parser.add_argument("--duration", default="90s", help="of the load (90s)")
    parser.add_argument("--rate", type=float, default=15.0, help="requests a second (15)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed, the same requests (1)")
    parser.add_argument("--faults", default="default", help=schedule.__doc__.replace("%", "%%"))
    parser.add_argument("--truth", type=Path, help="file for the truth (JSON)")
    parser.add_argument("--metrics-every", default="5s", help="interval of the metrics (5s)")
    parser.add_argument("--host-name", default="shop-host", help="host.name in all telemetry (shop-host)")
    parser.add_argument(
        "--without", action="append", choices=["redis-server", "postgres"], default=[], help="do without"
    )
    return parser.parse_args()


def say(text: str) -> None:
    """Tell people, on standard error."""
    print(f"shop: {text}", file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Place:
    """Where a run keeps what it needs: two temporary directories, as PostgreSQL's belongs to another user."""

    directory: Path
    cluster: Path
    children: Children


def run(options: argparse.Namespace, place: Place) -> None:
    """Open, let people in, close, write the truth."""
    duration = schedule.seconds(options.duration)
    if not 0 < duration < math.inf or not 0 < options.rate < math.inf:  # nan is neither
        raise ShopError("--duration and --rate must be above 0")
    if options.truth and not options.truth.absolute().parent.is_dir():
        raise ShopError(f"--truth {options.truth}: there is no such directory")
    switches = schedule.switches(options.faults, duration)
    check_receiver(options.endpoint)
    nodes, urls = open_stores(options, place)
    storefront = services.start(options, place.directory, place.children, urls)

    begin = time.time_ns()
    for switch in switches:
        for end in ("from", "to"):
            switch[f"{end}_unix_nano"] = begin + int(switch.pop(f"{end}_seconds") * 1e9)
    temporary = place.directory / "faults.new"
    temporary.write_text(json.dumps(switches))
    temporary.rename(place.directory / "faults.json")
    say(f"open at {storefront}: {options.rate:g} requests a second for {duration:g} s")
    load = Load(storefront, stores.USERS)
    plan = visits(stores.USERS, rate=options.rate, duration=duration, seed=options.seed)
    interrupted = let_people_in(load, plan, place.children, switches)
    closed = time.time_ns()
    wait_for_the_mailer(urls["STREAM_URL"])

    failed = place.children.end(set(services.NAMES))
    if failed:
        raise ShopError(f"did not end well: {', '.join(failed)}; their own words are above")
    if options.truth:
        truth = {
            "seed": options.seed,
            "rate": options.rate,
            "from_unix_nano": begin,
            "to_unix_nano": time.time_ns(),
            "faults": [
                switch | {"to_unix_nano": min(switch["to_unix_nano"], closed)}
                for switch in switches
                if switch["from_unix_nano"] < closed
            ],
            "edges": edges(place.directory, nodes),
            "requests": [
                {"action": action, "answer": answer, "count": count}
                for (action, answer), count in sorted(load.answers.items())
            ],
        }
        options.truth.write_text(json.dumps(truth, indent=1) + "\n")
    say(f"closed after {sum(load.answers.values())} requests")
    if interrupted:
        raise interrupted


def check_receiver(endpoint: str) -> None:
    """Without somebody who takes it, all telemetry would be for nothing."""
    parts = urllib.parse.urlsplit(endpoint)
    if not parts.hostname:
        raise ShopError(f"--endpoint {endpoint!r} is no URL: write for example http://127.0.0.1:4318")
    try:
        socket.create_connection((parts.hostname, parts.port or 80), timeout=5).close()
    except OSError as error:
        raise ShopError(f"no receiver at {endpoint} ({error}); start one: workbench collect otlp") from None


def open_stores(options: argparse.Namespace, place: Place) -> tuple[dict[str, str], dict[str, str]]:
    """Start and fill the stores: their nodes on a service map, and the variables that name their addresses."""
    redis_program = None if "redis-server" in options.without else stores.redis_program()
    postgres = None if "postgres" in options.without else stores.postgres_programs()
    if (not redis_program or not postgres) and not options.without:
        say("not every store is installed; remedy: sudo scripts/system-packages")
    fast = started(stores.start_redis, redis_program, place.directory, place, options.host_name)
    safe = started(stores.start_postgres, postgres, place.cluster, place, options.host_name)
    say(f"stock and stream: {fast.note}; ledger: {safe.note}")
    stores.fill(fast.url, safe.url, fast.url)
    queue = f"queue:{stream.opened(fast.url).system}/{stream.NAME}"
    nodes = {"stock": fast.node, "ledger": safe.node, "stream": queue}
    return nodes, {"STOCK_URL": fast.url, "LEDGER_URL": safe.url, "STREAM_URL": fast.url}


def started(start: Callable[..., stores.Store], program, directory: Path, place: Place, host: str) -> stores.Store:
    """A store; SQLite where its program is missing or does not start."""
    if program:
        try:
            return start(program, directory, place.children, host)
        except ShopError as error:
            say(str(error))
    return stores.stand_in(place.directory)


def let_people_in(load: Load, plan, children: Children, switches: list[dict]) -> Ended | None:
    """Run the load, say which fault begins, and watch the processes; a signal ends the load early."""
    stop, finished = threading.Event(), threading.Event()

    def people() -> None:
        try:
            load.run(plan, stop)
        finally:
            finished.set()

    threading.Thread(target=people).start()
    coming = collections.deque(switches)
    try:
        while not finished.wait(0.1):  # not Thread.join: interrupted, Python 3.11 takes the thread for ended
            children.check()
            if coming and time.time_ns() >= coming[0]["from_unix_nano"]:
                switch = coming.popleft()
                lasts = (switch["to_unix_nano"] - switch["from_unix_nano"]) / 1e9
                say(f"fault {switch['fault']} in {switch['where']} for {lasts:.0f} s")
    except Ended as ended:
        return ended
    finally:
        stop.set()
        finished.wait(10)
    return None


def wait_for_the_mailer(url: str) -> None:
    """Until every confirmation is a mail, so that nothing is cut off."""
    log = stream.opened(url)
    until = time.monotonic() + 10
    while log.waiting() and time.monotonic() < until:
        time.sleep(0.1)


def edges(directory: Path, nodes: dict[str, str]) -> list[dict]:
    """Who called whom how often, by the services' own count; named as on a service map."""
    counted = [row for path in (directory / "tallies").glob("*.json") for row in json.loads(path.read_text())]
    named = [(nodes.get(source, source), nodes.get(target, target), calls) for source, target, calls in counted]
    return [{"source": source, "target": target, "calls": calls} for source, target, calls in sorted(named)]


def main() -> int:
    """Run the shop; the exit status."""

    def ended(number, _frame):
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_IGN)  # tidying up is not interrupted
        raise Ended(number)

    options = arguments()
    for name in ("NO_PROXY", "no_proxy"):  # a proxy cannot reach the loopback address
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "127.0.0.1", "localhost"]))
    for each in (signal.SIGTERM, signal.SIGINT):
        signal.signal(each, ended)
    temporary = tempfile.TemporaryDirectory
    try:
        with temporary(prefix="shop-") as own, temporary(prefix="shop-postgres-") as cluster, Children() as children:
            run(options, Place(Path(own), Path(cluster), children))
    except ShopError as error:
        say(str(error))
        return 1
    except Ended as signalled:
        say("ended early")
        return 128 + signalled.args[0]
    return 0


if __name__ == "__main__":
    sys.exit(main())
