"""What the Flask services share: an instrumented application, and serving until told to stop."""

import logging
import os
import signal
import threading

import flask
import requests
from opentelemetry import trace
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from werkzeug.serving import WSGIRequestHandler, make_server

import tally
import telemetry

log = logging.getLogger("shop")


def application(name: str, *instrumentors) -> flask.Flask:
    """A Flask application that is traced, and answers for its peers' failures."""
    telemetry.start(*instrumentors)
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # a line per request says less than its span
    app = flask.Flask(name)
    FlaskInstrumentor().instrument_app(app, excluded_urls="healthz")

    @app.get("/healthz")
    def health():
        return {"service": name}

    @app.errorhandler(requests.RequestException)
    def peer_failed(error):
        """A refusal is passed on; a peer that fails or is too slow is a bad gateway."""
        if error.response is not None and error.response.status_code < 500:
            return flask.jsonify(error=error.response.reason), error.response.status_code
        trace.get_current_span().record_exception(error)
        log.error("peer failed: %s", type(error).__name__)
        status = 504 if isinstance(error, requests.Timeout) else 502
        return flask.jsonify(error=f"a service behind {name} failed"), status

    return app


class KeepAlive(WSGIRequestHandler):
    """HTTP/1.1 keeps connections open; without Nagle, because head and body are two writes that would wait 40 ms."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True


def serve(app: flask.Flask) -> None:
    """Serve on the socket that the shop handed over, until SIGTERM; then export what is left."""
    socket = int(os.environ["SHOP_SOCKET"])
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=KeepAlive, fd=socket)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever(poll_interval=0.1)
    tally.write()
    telemetry.end()
