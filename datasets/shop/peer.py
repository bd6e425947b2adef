"""Another service of the shop, called over HTTP with connections that stay open."""

import os

import requests
from requests.adapters import HTTPAdapter

import tally


class Peer:
    """Calls the service whose address is in `<NAME>_URL`. `requests` is instrumented, so the trace goes on there."""

    def __init__(self, name: str, *, timeout: float = 5.0) -> None:
        self.name, self.timeout = name, timeout
        self.url = os.environ[f"{name.upper()}_URL"]
        self.session = requests.Session()
        self.session.mount("http://", HTTPAdapter(pool_maxsize=64))

    def get(self, path: str, **parameters):
        """The JSON answer to a GET.

        Raises:
            requests.RequestException: no answer in time, or one with an error status.
        """
        return self._ask("GET", path, params=parameters)

    def post(self, path: str, body):
        """The JSON answer to a POST of `body` as JSON; raises like `get`."""
        return self._ask("POST", path, json=body)

    def _ask(self, method: str, path: str, **content):
        tally.call(self.name)
        answer = self.session.request(method, self.url + path, timeout=self.timeout, **content)
        answer.raise_for_status()
        return answer.json()
