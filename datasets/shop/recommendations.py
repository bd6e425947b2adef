"""recommendations: what goes with a product. One event loop (aiohttp), and nearly all of its time is computing."""

import asyncio
import logging
import os
import signal
import socket

from aiohttp import ClientSession, web
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.aiohttp_server import AioHttpServerInstrumentor

import faults
import products
import tally
import telemetry

log = logging.getLogger("shop.recommendations")
tracer = trace.get_tracer("shop.recommendations")
INVENTORY = web.AppKey("inventory", ClientSession)
TASTES = 16


def taste(product: dict, number: int) -> float:
    """A feature of a product, made up of its name and price."""
    return (len(product["name"]) * (number + 3) + product["cents"] * (number + 1)) % 97 / 97


FEATURES = {each["id"]: [taste(each, number) for number in range(TASTES)] for each in products.ALL}


@tracer.start_as_current_span("rank")
def rank(product: str) -> list[str]:
    """The five products most alike. Fault `cpu_burn`: in 250 passes, and the event loop stands still."""
    wanted = FEATURES[product]
    for _ in range(250 if faults.active("cpu_burn") else 1):
        scores = {
            other: sum(a * b for a, b in zip(wanted, features, strict=True)) for other, features in FEATURES.items()
        }
    return sorted(scores, key=scores.__getitem__, reverse=True)[:5]


async def similar(request: web.Request) -> web.Response:
    """Rank, then ask inventory what these are. Fault `timeouts`: no answer before the caller has given up."""
    product = request.query.get("product", "")
    if product not in FEATURES:
        raise web.HTTPNotFound
    if faults.active("timeouts"):
        log.warning("the model of today is still loading")
        await asyncio.sleep(1.5)
    ids = ",".join(rank(product))
    tally.call("inventory")
    async with request.app[INVENTORY].get("/products", params={"ids": ids}) as answer:
        answer.raise_for_status()
        return web.json_response(await answer.json())


async def health(_: web.Request) -> web.Response:
    """Not traced: OTEL_PYTHON_EXCLUDED_URLS names it."""
    return web.json_response({"service": "recommendations"})


async def main() -> None:
    """Serve on the socket that the shop handed over, until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    app = web.Application()
    app.add_routes([web.get("/similar", similar), web.get("/healthz", health)])
    async with ClientSession(os.environ["INVENTORY_URL"]) as app[INVENTORY]:
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=2)
        await runner.setup()
        await web.SockSite(runner, socket.socket(fileno=int(os.environ["SHOP_SOCKET"]))).start()
        await stop.wait()
        await runner.cleanup()


if __name__ == "__main__":
    telemetry.start(AioHttpServerInstrumentor(), AioHttpClientInstrumentor())
    asyncio.run(main())
    tally.write()
    telemetry.end()
