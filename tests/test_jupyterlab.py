"""The notebooks in a real JupyterLab: drawn, clicked, and the selection asked of the kernel itself."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.browser import screenshot
from tests.shop_lake import write_shop

pytestmark = [pytest.mark.slow, pytest.mark.browser]

TOKEN = "for-this-test"
IDLE = """() => {
  const panel = window.jupyterapp?.shell.currentWidget;
  return panel?.context?.isReady && panel.sessionContext?.session?.kernel?.status === "idle";
}"""
ASK = """async (code) => {
  const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
  const future = kernel.requestExecute({ code });
  let text = "";
  future.onIOPub = (message) => {
    if (message.header.msg_type === "stream") text += message.content.text;
    if (message.header.msg_type === "error") text += message.content.evalue;
  };
  await future.done;
  return text.trim();
}"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """A `workbench lab` on a small shop, all folders its own; its address."""
    root = tmp_path_factory.mktemp("lab")
    lake = write_shop(root / "lake")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    names = ["CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR"]
    folders = {f"JUPYTER_{name}": str(root / "jupyter" / name.lower()) for name in names}
    folders |= {f"JUPYTERLAB_{name}_DIR": str(root / "jupyter" / name.lower()) for name in ("SETTINGS", "WORKSPACES")}
    environment = os.environ | folders | {"IPYTHONDIR": str(root / "ipython")}
    settings = {
        "config_dir/jupyter_lab_config.json": {
            "IdentityProvider": {"token": TOKEN},
            "LabApp": {"expose_app_in_browser": True},
            "ServerApp": {"port_retries": 0},
        },
        "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings": {"fetchNews": "false"},
    }
    for name, content in settings.items():
        (root / "jupyter" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "jupyter" / name).write_text(json.dumps(content))
    command = [Path(sys.executable).with_name("workbench"), "lab", "--lake", lake, "--folder", root / "mine"]
    log = root / "lab.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*map(str, command), "--port", str(port), "--no-browser"], env=environment, stdout=output, stderr=output
        )
    try:
        _wait_until_up(f"http://127.0.0.1:{port}/api?token={TOKEN}", server, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)  # it ends its kernels


def _wait_until_up(url: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(600):
        if server.poll() is not None:
            break
        with suppress(OSError), urllib.request.urlopen(url, timeout=2):
            return
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


def open_and_run(page: Any, address: str, notebook: str) -> None:
    page.goto(f"{address}/lab/tree/{notebook}?reset&token={TOKEN}")
    page.wait_for_function("window.jupyterapp !== undefined", timeout=60_000)
    page.evaluate("window.jupyterapp.restored.then(() => true)")
    page.wait_for_function(IDLE, timeout=60_000)
    # The notebook's default is the last hour; the shop's ten minutes are some day.
    page.evaluate("""() => {
      const cells = window.jupyterapp.shell.currentWidget.content.widgets;
      const cell = cells.find((each) => each.model.sharedModel.source.startsWith("lake: str"));
      cell.model.sharedModel.setSource(cell.model.sharedModel.source.replace('last: str = "1h"', 'last: str = ""'));
    }""")
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells').then(() => true)")
    page.wait_for_function(IDLE, timeout=60_000)


def test_the_map_is_drawn_and_a_click_reaches_python(lab, new_page):
    page = new_page(viewport={"width": 1400, "height": 1300})
    open_and_run(page, lab, "service_map.ipynb")
    view = page.locator(".wb-service-map")
    view.get_by_text("checkout", exact=True).first.click(timeout=30_000)
    for _ in range(100):  # the click travels to the kernel
        told = page.evaluate(ASK, "print(view.selected, view.selected_nodes['calls'].to_list())")
        if "checkout" in told:
            break
        page.wait_for_timeout(50)
    selected, _, calls = told.partition("] [")
    assert selected == "['checkout'"
    assert int(calls.rstrip("]")) > 100
    screenshot(page, "lab-service-map")
    # From Python to the page: another selection is marked there.
    page.evaluate(ASK, "view.search = 'payments'")
    page.wait_for_function("document.querySelector('.wb-service-map input[type=search]').value === 'payments'")
    assert page.evaluate(ASK, "import os; print(os.environ['WORKBENCH_LAKE'] == window.lake.uri)") == "True"


def test_the_page_of_health_is_drawn(lab, new_page):
    page = new_page(viewport={"width": 1400, "height": 1300})
    open_and_run(page, lab, "service_health.ipynb")
    page.locator(".js-plotly-plot .scatterlayer path.js-line").first.wait_for(state="attached", timeout=30_000)
    assert page.get_by_text("failed more from 12:06 to 12:08 UTC").first.is_visible(timeout=20_000)
    page.locator(".js-plotly-plot").first.scroll_into_view_if_needed()
    page.wait_for_timeout(300)
    screenshot(page, "lab-service-health")
