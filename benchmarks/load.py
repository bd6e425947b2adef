"""The client under whose load the receiver is measured: a process of its own, with requests that were made before.

`python -m benchmarks.load --http HOST:PORT | --grpc HOST:PORT --signal NAME --requests N [--rate ITEMS] FILE ...`
prints one JSON object: items acknowledged, requests refused for now (and sent again), seconds.
"""

import argparse
import asyncio
import gzip
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import grpc.aio

from benchmarks.payloads import ITEMS

CONNECTIONS = 8
BUSY_SECONDS = 0.5  # between two tries of a request that was refused for now
METHODS = {
    "traces": "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    "logs": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    "metrics": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
}
Sender = Callable[[int], Awaitable[bool]]


class Load:
    """Requests that are handed out one by one, at a rate, until their number or the time is used up."""

    def __init__(self, requests: int, seconds: float, items_per_second: float) -> None:
        self.acknowledged = self.refused = 0
        self.began = time.monotonic()
        self._numbers = iter(range(requests))
        self._end = self.began + seconds
        self._every = ITEMS / items_per_second if items_per_second else 0.0

    def numbers(self) -> Iterator[int]:
        for number in self._numbers:
            if time.monotonic() > self._end:
                return
            yield number

    async def work(self, send: Sender) -> None:
        for number in self.numbers():
            wait = self.began + number * self._every - time.monotonic() if self._every else 0
            if wait > 0:
                await asyncio.sleep(wait)
            while not await send(number):
                self.refused += 1
                await asyncio.sleep(BUSY_SECONDS)
                if time.monotonic() > self._end:
                    return
            self.acknowledged += ITEMS


async def over_http(load: Load, address: str, signal: str, files: list[Path]) -> None:
    host, port = address.split(":")
    requests = []
    for file in files:
        body = file.read_bytes()
        head = (
            f"POST /v1/{signal} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/x-protobuf\r\n"
            f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        requests.append(head.encode() + body)

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))

        async def send(number: int) -> bool:
            writer.write(requests[number % len(requests)])
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next((line for line in head.splitlines() if line.startswith("content-length:")), "x: 0")
            await reader.readexactly(int(length.split(":")[1]))
            status = int(head.split()[1])
            if status not in (200, 503):
                raise RuntimeError(f"the receiver answers {status}")
            return status == 200

        await load.work(send)
        writer.close()

    await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))


async def over_grpc(load: Load, address: str, signal: str, files: list[Path]) -> None:
    payloads = [gzip.decompress(file.read_bytes()) for file in files]
    async with grpc.aio.insecure_channel(address, compression=grpc.Compression.Gzip) as channel:
        export = channel.unary_unary(METHODS[signal])

        async def send(number: int) -> bool:
            try:
                await export(payloads[number % len(payloads)])
            except grpc.aio.AioRpcError as error:
                if error.code() != grpc.StatusCode.UNAVAILABLE:
                    raise
                return False
            return True

        await asyncio.gather(*(load.work(send) for _ in range(CONNECTIONS)))


def main() -> None:
    parser = argparse.ArgumentParser(description="load for the OTLP receiver")
    parser.add_argument("--http")
    parser.add_argument("--grpc")
    parser.add_argument("--signal", default="traces", choices=METHODS)
    parser.add_argument("--requests", type=int, default=10**9)
    parser.add_argument("--seconds", type=float, default=10**6)
    parser.add_argument("--rate", type=float, default=0, help="items a second; 0: as fast as it goes")
    parser.add_argument("files", nargs="+", type=Path)
    given = parser.parse_args()
    load = Load(given.requests, given.seconds, given.rate)
    if given.http:
        asyncio.run(over_http(load, given.http, given.signal, given.files))
    else:
        asyncio.run(over_grpc(load, given.grpc, given.signal, given.files))
    seconds = time.monotonic() - load.began
    print(json.dumps({"acknowledged": load.acknowledged, "refused": load.refused, "seconds": seconds}))


if __name__ == "__main__":
    main()
