"""inventory: products and how many are left of each, kept in Redis (`stock.py`)."""

import itertools
import logging
import os
import threading
import time

import flask
from opentelemetry import metrics
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor

import faults
import products
import stock
from service import application, serve

app = application("inventory", RedisInstrumentor(), SQLite3Instrumentor())
log = logging.getLogger("shop.inventory")
store = stock.opened(os.environ["STOCK_URL"])
counting = threading.Lock()  # nothing may leave the shelves while they are counted
reservations = itertools.count()
waited = metrics.get_meter("shop.inventory").create_histogram(
    "shop.stock.lock.wait",
    unit="s",
    description="How long readers wait while the shelves are counted",
    explicit_bucket_boundaries_advisory=[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
)


def left(product: str) -> int:
    """How many are left; not while they are counted."""
    begun = time.perf_counter()
    with counting:
        waited.record(time.perf_counter() - begun)
        return store.left(product)


def stocktake() -> None:
    """Count the shelves now and then. Fault `lock_contention`: again and again, with the lock held all the time."""
    while True:
        if faults.active("lock_contention"):
            with counting:
                time.sleep(0.15)
            time.sleep(0.01)
        else:
            time.sleep(0.1)


@app.get("/products")
def several():
    """Products by their ids."""
    return store.products(flask.request.args["ids"].split(","))


@app.get("/products/<product>")
def one(product: str):
    """A product and how many are left."""
    found = store.products([product])
    if not found:
        flask.abort(404)
    return found[0] | {"left": left(product)}


@app.get("/search")
def search():
    """Products with the word in their names."""
    word = flask.request.args["q"]
    return store.products([each["id"] for each in products.ALL if word in each["name"]][:20])


@app.post("/reservations")
def reserve():
    """Take what an order needs. Fault `errors`: every second reservation fails."""
    lines = flask.request.json["lines"]
    if faults.active("errors") and next(reservations) % 2 == 0:
        raise KeyError("no warehouse for region 'north'")
    with counting:
        for line in lines:
            if not store.take(line["product"], line["quantity"]):
                log.warning("sold out: %s", line["product"])
                flask.abort(409, f"{line['product']} is sold out")
    prices = {each["id"]: each["cents"] for each in products.ALL}
    return {"cents": sum(prices[line["product"]] * line["quantity"] for line in lines)}


if __name__ == "__main__":
    threading.Thread(target=stocktake, daemon=True).start()
    serve(app)
