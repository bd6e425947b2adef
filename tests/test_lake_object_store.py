"""A lake on an object store: a URI goes through to `deltalake`, options come from the environment."""

import hashlib
import multiprocessing
import threading
import urllib.parse
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.literals import T0
from workbench.lake import Lake, Writer

OPTIONS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "test",
    "AWS_ALLOW_HTTP": "true",
}


class Store(BaseHTTPRequestHandler):
    """As much of the S3 protocol as a Delta table needs: put (also "only if absent"), get, head, list, delete."""

    protocol_version = "HTTP/1.1"
    objects: dict[str, bytes]
    guard = threading.Lock()

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def key(self) -> str:
        return urllib.parse.unquote(urllib.parse.urlsplit(self.path).path)

    def found(self, body: bytes) -> dict[str, str]:
        return {"ETag": f'"{hashlib.md5(body).hexdigest()}"', "Last_Modified": formatdate(usegmt=True)}

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.guard:
            if self.headers.get("If-None-Match") == "*" and self.key() in self.objects:
                return self.answer(412)
            self.objects[self.key()] = body
        return self.answer(200, ETag=self.found(body)["ETag"])

    def do_GET(self) -> None:
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        if "list-type" in query:
            return self.listed(query)
        body = self.objects.get(self.key())
        if body is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        wanted = self.headers.get("Range")
        if not wanted:
            return self.answer(200, body, **self.found(body))
        first, last = wanted.removeprefix("bytes=").split("-")
        low = int(first) if first else max(0, len(body) - int(last))
        high = min(len(body), int(last) + 1 if first and last else len(body))
        where = f"bytes {low}-{high - 1}/{len(body)}"
        return self.answer(206, body[low:high], Content_Range=where, **self.found(body))

    def do_HEAD(self) -> None:
        body = self.objects.get(self.key())
        if body is None:
            return self.answer(404)
        return self.answer(200, Content_Length=str(len(body)), **self.found(body))

    def do_DELETE(self) -> None:
        self.objects.pop(self.key(), None)
        self.answer(204)

    def listed(self, query: dict[str, str]) -> None:
        bucket = self.key().rstrip("/") + "/"
        prefix, after, delimiter = query.get("prefix", ""), query.get("start-after", ""), query.get("delimiter")
        names = sorted(name.removeprefix(bucket) for name in self.objects if name.startswith(bucket + prefix))
        files, folders = [], set()
        for name in names:
            rest = name[len(prefix) :]
            if delimiter and delimiter in rest:
                folders.add(prefix + rest.split(delimiter)[0] + delimiter)
            elif name > after:
                files.append(name)
        contents = "".join(
            f"<Contents><Key>{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>x</ETag><Size>{len(self.objects[bucket + name])}</Size></Contents>"
            for name in files
        )
        common = "".join(f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>" for name in sorted(folders))
        body = f"<ListBucketResult><IsTruncated>false</IsTruncated>{contents}{common}</ListBucketResult>"
        self.answer(200, body.encode(), Content_Type="application/xml")


def serve(port: Connection) -> None:
    Store.objects = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Store) as server:
        port.send(server.server_port)
        server.serve_forever()


@pytest.fixture
def lake(monkeypatch) -> Iterator[str]:
    ours, theirs = multiprocessing.Pipe()
    # A process of its own: `deltalake` may hold the interpreter while it waits for the store.
    store = multiprocessing.get_context("spawn").Process(target=serve, args=(theirs,))
    store.start()
    assert ours.poll(30)
    for name, value in (OPTIONS | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{ours.recv()}"}).items():
        monkeypatch.setenv(name, value)
    yield "s3://bucket/lake"
    store.terminate()
    store.join()


def rows(*names: str, at: int = T0) -> pa.Table:
    maps = [[("k", name)] for name in names]
    return pa.table(
        {
            "start_time_unix_nano": [at] * len(names),
            "name": list(names),
            "trace_id": [name * 32 for name in names],
            "attributes": pa.array(maps, pa.map_(pa.string(), pa.string())),
        }
    )


@pytest.mark.slow
def test_batches_are_there_once_and_windows_read_them(lake):
    writer, twin = Writer(lake), Writer(lake)
    assert writer.append({"spans": rows("a", "b")}, app_id="x", sequence=1) == {"spans": 2}
    assert writer.append({"spans": rows("a", "b")}, app_id="x", sequence=1) == {"spans": 0}
    assert twin.append({"spans": rows("a", "b")}, app_id="x", sequence=1) == {"spans": 0}
    assert twin.append({"spans": rows("c", at=T0 + 86_400 * 10**9)}, app_id="y", sequence=1) == {"spans": 1}
    actions = pa.table(DeltaTable(f"{lake}/spans").get_add_actions(flatten=True))
    assert sorted(actions["min.start_time_unix_nano"].to_pylist()) == [T0, T0 + 86_400 * 10**9]
    assert "min.received_time_unix_nano" in actions.column_names, "bounds of the same columns as on a disk"
    opened = Lake(lake)
    whole = opened.whole()
    found = whole.sql("select name, attributes['k'] as k, cast(day as varchar) as day from spans order by name")
    assert found.rows() == [("a", "a", "2026-01-01"), ("b", "b", "2026-01-01"), ("c", "c", "2026-01-02")]
    assert opened.window(T0, T0 + 1).sql("select count(*) as n from spans")["n"][0] == 2
    assert len(opened.window(T0, T0 + 1).files("spans")) == 1
    assert whole.traces(["b" * 32]).sql("select name from spans")["name"].to_list() == ["b"]
    assert sorted(whole.scan("spans").collect()["name"]) == ["a", "b", "c"]
    writer.append({"spans": rows("d")}, app_id="x", sequence=2)
    assert whole.sql("select count(*) as n from spans")["n"][0] == 3, "pinned"
    assert opened.whole().sql("select count(*) as n from spans")["n"][0] == 4
