"""The order confirmations: a Redis stream from checkout to mailer; a SQLite table where there is no Redis.

No official package makes messaging spans for Redis streams, so they are made here, by the semantic conventions: the
producer span's context travels in the message, and the consumer span links to it. The consumer span is also its child,
as every message is processed alone: one trace then goes from the click to the mail.
"""

import json
import sqlite3
import time
from collections.abc import Callable, Iterator

import redis
from opentelemetry import propagate, trace
from opentelemetry.trace import Link, SpanKind

import tally

NAME, GROUP = "order-confirmations", "mailer"
tracer = trace.get_tracer("shop.stream")


def opened(url: str):
    """The log behind the URL."""
    return SqliteLog(url.removeprefix("sqlite://")) if url.startswith("sqlite://") else RedisLog(url)


class Stream:
    """Send and process messages, with spans."""

    def __init__(self, url: str) -> None:
        self.log = opened(url)
        self.about = {"messaging.system": self.log.system, "messaging.destination.name": NAME}

    def send(self, body: dict) -> None:
        """Append a message."""
        about = self.about | {"messaging.operation.type": "send", "messaging.operation.name": "xadd"}
        with tracer.start_as_current_span(f"send {NAME}", kind=SpanKind.PRODUCER, attributes=about) as span:
            message: dict[str, str] = {"body": json.dumps(body)}
            propagate.inject(message)  # adds the field `traceparent`
            tally.call("stream")
            span.set_attribute("messaging.message.id", self.log.append(message))

    def process(self, handle: Callable[[dict], None]) -> None:
        """Take what has arrived, waiting half a second at most, and handle it message by message."""
        for id_, message in self.log.arrived():
            producer = propagate.extract(message)
            links = [Link(trace.get_current_span(producer).get_span_context())]
            about = self.about | {"messaging.operation.type": "process", "messaging.operation.name": "process"}
            about |= {"messaging.message.id": id_, "messaging.consumer.group.name": GROUP}
            tally.call(tally.SERVICE, source="stream")
            with tracer.start_as_current_span(
                f"process {NAME}", producer, kind=SpanKind.CONSUMER, attributes=about, links=links
            ):
                handle(json.loads(message["body"]))
            self.log.done(id_)


class RedisLog:
    """A stream with one consumer group."""

    system = "redis"

    def __init__(self, url: str) -> None:
        self.redis = redis.Redis.from_url(url, decode_responses=True)

    def create(self) -> None:
        """Make stream and group, before anything is sent."""
        self.redis.xgroup_create(NAME, GROUP, id="0", mkstream=True)

    def append(self, message: dict[str, str]) -> str:
        """Add a message; its id."""
        return self.redis.xadd(NAME, message, maxlen=10_000, approximate=True)

    def arrived(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Messages that nobody has taken."""
        for _, messages in self.redis.xreadgroup(GROUP, "mailer-1", {NAME: ">"}, count=20, block=500) or []:
            yield from messages

    def done(self, id_: str) -> None:
        """Acknowledge."""
        self.redis.xack(NAME, GROUP, id_)

    def waiting(self) -> int:
        """How many messages are not yet processed."""
        (group,) = self.redis.xinfo_groups(NAME)
        return (group["lag"] or 0) + group["pending"]


class SqliteLog:
    """The same in a table that is asked again and again."""

    system = "sqlite"

    def __init__(self, path: str) -> None:
        self.connection = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)

    def create(self) -> None:
        """Make the table."""
        self.connection.execute("create table stream (id integer primary key, message text)")

    def append(self, message: dict[str, str]) -> str:
        """Add a message; its id."""
        statement = "insert into stream (message) values (?) returning id"
        return str(self.connection.execute(statement, [json.dumps(message)]).fetchone()[0])

    def arrived(self) -> Iterator[tuple[str, dict[str, str]]]:
        """Messages that nobody has taken."""
        rows = self.connection.execute("select id, message from stream order by id limit 20").fetchall()
        if not rows:
            time.sleep(0.1)
        yield from ((str(id_), json.loads(message)) for id_, message in rows)

    def done(self, id_: str) -> None:
        """Take it off the table."""
        self.connection.execute("delete from stream where id = ?", [int(id_)])

    def waiting(self) -> int:
        """How many messages are not yet processed."""
        return self.connection.execute("select count(*) from stream").fetchone()[0]
