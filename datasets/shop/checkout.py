"""checkout: makes orders. Reserves with inventory, charges with payments, tells the mailer through the stream."""

import logging
import os
import uuid

import flask
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor

from peer import Peer
from service import application, serve
from stream import Stream

app = application("checkout", RequestsInstrumentor())
log = logging.getLogger("shop.checkout")
inventory, payments = Peer("inventory"), Peer("payments")
confirmations = Stream(os.environ["STREAM_URL"])
orders = metrics.get_meter("shop.checkout").create_counter("shop.orders", unit="{order}", description="Orders made")


@app.post("/orders")
def make_order():
    """Reserve, charge, confirm: in this order, so that nobody pays for what is not there."""
    asked = flask.request.json
    order = uuid.uuid4().hex[:12]
    trace.get_current_span().set_attribute("shop.order.id", order)
    reserved = inventory.post("/reservations", {"lines": asked["lines"]})
    charge = {"order": order, "user": asked["user"], "cents": reserved["cents"], "lines": asked["lines"]}
    paid = payments.post("/charges", charge)
    confirmations.send({"order": order, "user": asked["user"], "cents": reserved["cents"]})
    orders.add(1, {"shop.payment.status": paid["status"]})
    log.info("order %s of %d lines", order, len(asked["lines"]))
    return {"order": order, "cents": reserved["cents"]}


@app.get("/orders/<order>")
def order_status(order: str):
    """Payments knows what was paid."""
    return payments.get(f"/charges/{order}")


if __name__ == "__main__":
    serve(app)
