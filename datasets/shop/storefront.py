"""storefront: the pages that people ask for. Asks inventory, recommendations, checkout and payments."""

import logging

import flask
import requests
from opentelemetry import trace
from opentelemetry.instrumentation.requests import RequestsInstrumentor

import faults
from peer import Peer
from service import application, serve

app = application("storefront", RequestsInstrumentor())
app.secret_key = "the demo shop has no secrets"
log = logging.getLogger("shop.storefront")

inventory, checkout, payments = Peer("inventory"), Peer("checkout"), Peer("payments")
recommendations = Peer("recommendations", timeout=1.0)
viewed: list[bytes] = []


@app.before_request
def who_asks() -> None:
    """The user belongs to the span, so that one person's requests can be found."""
    if user := flask.session.get("user"):
        trace.get_current_span().set_attribute("user.id", user)
        remember()


def remember() -> None:
    """Fault `memory_growth`: keep what was viewed and never let it go, up to 64 MB."""
    if faults.active("memory_growth") and len(viewed) < 256:
        viewed.append(b"x" * 256 * 1024)


@app.post("/login")
def login():
    """Begin a session; it lives in a signed cookie."""
    flask.session["user"] = flask.request.json["user"]
    return {"user": flask.session["user"]}


@app.get("/")
def home():
    """The products of the day."""
    return {"products": inventory.get("/products", ids="p1,p2,p3,p4,p5,p6")}


@app.get("/products/<product>")
def product_page(product: str):
    """A product and what goes with it; the page does without the latter when it comes too late."""
    page = {"product": inventory.get(f"/products/{product}")}
    try:
        page["similar"] = recommendations.get("/similar", product=product)
    except requests.RequestException:
        log.warning("page of %s without recommendations", product)
    return page


@app.get("/search")
def search():
    """Products by name."""
    return {"found": inventory.get("/search", q=flask.request.args.get("q", ""))}


@app.get("/recommendations")
def recommended():
    """What goes with the last product in the cart."""
    cart = flask.session.get("cart") or [{"product": "p1"}]
    return {"similar": recommendations.get("/similar", product=cart[-1]["product"])}


@app.post("/cart")
def add_to_cart():
    """One more line; at most ten."""
    line = {"product": flask.request.json["product"], "quantity": int(flask.request.json.get("quantity", 1))}
    inventory.get(f"/products/{line['product']}")
    flask.session["cart"] = [*flask.session.get("cart", []), line][-10:]
    return {"lines": len(flask.session["cart"])}


@app.post("/checkout")
def buy():
    """Order what is in the cart."""
    if not (cart := flask.session.get("cart")):
        flask.abort(400, "the cart is empty")
    order = checkout.post("/orders", {"user": flask.session.get("user", "guest"), "lines": cart})
    flask.session["cart"] = []
    return order


@app.get("/orders/<order>")
def order_status(order: str):
    """How far an order is."""
    return checkout.get(f"/orders/{order}")


@app.get("/account")
def account():
    """Earlier orders of who is logged in."""
    if not (user := flask.session.get("user")):
        flask.abort(401)
    return {"orders": payments.get(f"/users/{user}/orders")}


if __name__ == "__main__":
    serve(app)
