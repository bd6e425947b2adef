"""payments: charges and what they were for, kept in PostgreSQL (`ledger.py`)."""

import logging
import os
import time

import flask
from opentelemetry import trace
from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
from opentelemetry.instrumentation.sqlite3 import SQLite3Instrumentor

import faults
from ledger import Ledger
from service import application, serve

app = application("payments", PsycopgInstrumentor(), SQLite3Instrumentor())
log = logging.getLogger("shop.payments")
tracer = trace.get_tracer("shop.payments")
ledger = Ledger(os.environ["LEDGER_URL"])

ORDERS = "select order_id, cents, status from charges where user_id = %s order by order_id limit 20"
LINES = "select product_id, quantity from order_lines where order_id = %s order by product_id"
ORDERS_AND_LINES = """
select charges.order_id, cents, status, product_id, quantity
from (select * from charges where user_id = %s order by order_id limit 20) as charges
join order_lines on order_lines.order_id = charges.order_id
order by charges.order_id, product_id
"""


@tracer.start_as_current_span("card network")
def card_network(cents: int) -> str:
    """Ask the card network. Fault `latency`: it answers late."""
    time.sleep(0.4 if faults.active("latency") else 0.01)
    return "paid" if cents else "free"


@app.post("/charges")
def charge():
    """Charge an order. The lines are written first: an order can be seen once it is paid."""
    asked = flask.request.json
    status = card_network(asked["cents"])
    lines = [(asked["order"], line["product"], line["quantity"]) for line in asked["lines"]]
    ledger.many("insert into order_lines values (%s, %s, %s)", lines)
    ledger.rows("insert into charges values (%s, %s, %s, %s)", asked["order"], asked["user"], asked["cents"], status)
    log.info("charged %d cents for order %s", asked["cents"], asked["order"])
    return {"status": status}


@app.get("/charges/<order>")
def charge_of(order: str):
    """What was paid for an order."""
    found = ledger.rows("select cents, status from charges where order_id = %s", order)
    if not found:
        flask.abort(404)
    return {"order": order, "cents": found[0][0], "status": found[0][1]}


@app.get("/users/<user>/orders")
def history(user: str):
    """A user's orders with their lines. Fault `n_plus_one`: the lines of each order by a query of its own."""
    orders: dict[str, dict] = {}
    if faults.active("n_plus_one"):
        for order, cents, status in ledger.rows(ORDERS, user):
            orders[order] = {"cents": cents, "status": status, "lines": ledger.rows(LINES, order)}
        return orders
    for order, cents, status, product, quantity in ledger.rows(ORDERS_AND_LINES, user):
        order_lines = orders.setdefault(order, {"cents": cents, "status": status, "lines": []})["lines"]
        order_lines.append((product, quantity))
    return orders


if __name__ == "__main__":
    serve(app)
    ledger.close()
