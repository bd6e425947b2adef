"""mailer: takes order confirmations from the stream (`stream.py`) and puts mails into its spool."""

import logging
import os
import signal
import threading
import time

from opentelemetry import metrics, trace

import faults
import tally
import telemetry
from stream import Stream

log = logging.getLogger("shop.mailer")
tracer = trace.get_tracer("shop.mailer")
mails = metrics.get_meter("shop.mailer").create_counter("shop.mails", unit="{mail}", description="Mails in the spool")


@tracer.start_as_current_span("spool")
def spool(mail: str) -> None:
    """A mail is safe when it is on the disk. Fault `slow_fsync`: the disk is asked again and again for 0.3 s."""
    with open(os.environ["SPOOL"], "a") as file:
        file.write(mail)
        file.flush()
        os.fsync(file.fileno())
        ends = time.monotonic() + 0.3
        while faults.active("slow_fsync") and time.monotonic() < ends:
            file.write(".")
            file.flush()
            os.fsync(file.fileno())


def confirm(order: dict) -> None:
    """Write to who ordered."""
    spool(f"To: {order['user']}\nYour order {order['order']}: {order['cents'] / 100:.2f}\n\n")
    mails.add(1)
    log.info("mail for order %s", order["order"])


if __name__ == "__main__":
    telemetry.start()
    confirmations = Stream(os.environ["STREAM_URL"])
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.is_set():
        confirmations.process(confirm)
    tally.write()
    telemetry.end()
