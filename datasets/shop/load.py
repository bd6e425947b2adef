"""People who use the shop: requests arrive at random, whether or not earlier ones have been answered (an open loop).

What is asked when by whom depends on the seed alone; a slow shop gets the same requests as a fast one.
"""

import collections
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import requests

import products

MIX = {
    "home": 10,
    "product": 17,
    "search": 8,
    "recommendations": 9,
    "cart": 20,
    "checkout": 20,
    "order": 6,
    "account": 8,
    "missing": 2,
}
PEOPLE_AT_ONCE = 64


@dataclass(frozen=True)
class Visit:
    """One request to come: when (seconds after the begin), by whom, what; `choice` picks a product or a word."""

    at: float
    user: str
    action: str
    choice: int


def visits(users: list[str], *, rate: float, duration: float, seed: int) -> Iterator[Visit]:
    """All requests of a run, in order of time."""
    chance = random.Random(seed)
    known: set[str] = set()
    carts: collections.Counter[str] = collections.Counter()
    at = chance.expovariate(rate)
    while at < duration:
        user = chance.choice(users)
        (action,) = chance.choices(list(MIX), list(MIX.values()))
        choice = chance.randrange(1, len(products.ALL) + 1)
        if user not in known:
            known.add(user)
            action = "login"
        elif action == "checkout" and not carts[user]:
            action = "cart"
        carts[user] = {"cart": carts[user] + 1, "checkout": 0}.get(action, carts[user])
        yield Visit(at, user, action, choice)
        at += chance.expovariate(rate)


class Load:
    """Sends the visits to the storefront and counts what came back."""

    def __init__(self, url: str, users: list[str]) -> None:
        self.url = url
        self.people = {user: requests.Session() for user in users}
        self.orders = {user: f"{user}-00" for user in users}  # the last of each, at first one from before
        self.answers: collections.Counter[tuple[str, str]] = collections.Counter()
        self.lock = threading.Lock()
        self.pool = ThreadPoolExecutor(PEOPLE_AT_ONCE)

    def run(self, plan: Iterator[Visit], stop: threading.Event) -> None:
        """Send each visit when its time has come; returns when all are answered; `stop` ends it early."""
        begin = time.monotonic()
        for visit in plan:
            if stop.wait(max(0.0, begin + visit.at - time.monotonic())):
                break
            self.pool.submit(self._send, visit)
        self.pool.shutdown(cancel_futures=stop.is_set())

    def _send(self, visit: Visit) -> None:
        method, path, body = self._request(visit)
        try:
            answer = self.people[visit.user].request(method, self.url + path, json=body, timeout=30)
            outcome = str(answer.status_code)
            if visit.action == "checkout" and answer.ok:
                self.orders[visit.user] = answer.json()["order"]
        except requests.RequestException as error:
            outcome = type(error).__name__
        with self.lock:
            self.answers[visit.action, outcome] += 1

    def _request(self, visit: Visit) -> tuple[str, str, dict | None]:
        product = f"p{visit.choice}"
        word = (products.KINDS + products.COLOURS)[visit.choice % (len(products.KINDS) + len(products.COLOURS))]
        return {
            "login": ("POST", "/login", {"user": visit.user}),
            "home": ("GET", "/", None),
            "product": ("GET", f"/products/{product}", None),
            "search": ("GET", f"/search?q={word}", None),
            "recommendations": ("GET", "/recommendations", None),
            "cart": ("POST", "/cart", {"product": product, "quantity": 1 + visit.choice % 3}),
            "checkout": ("POST", "/checkout", {}),
            "order": ("GET", f"/orders/{self.orders[visit.user]}", None),
            "account": ("GET", "/account", None),
            "missing": ("GET", f"/products/no-such-product-{visit.choice}", None),
        }[visit.action]
