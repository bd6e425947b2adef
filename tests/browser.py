"""The system's Chromium for tests: fixtures, pages that must stay clean, and a page that mounts one widget.

`tests/conftest.py` loads the fixtures with `pytest_plugins = ["tests.browser"]`:

* `chromium`: one browser per test session, in which no host name resolves; only 127.0.0.1 and localhost exist.
* `page`: a fresh page of 1200 x 900 pixels. At the end of the test it fails on page errors, console errors and
  requests to anything but loopback.
* `new_page`: makes more of them, with the options of playwright's `Browser.new_context` (`color_scheme="dark"`, ...).

`mount(page, widget)` shows a Python widget in a bare page as a notebook would: its module and state are served by
`page.route` (no server, no kernel), binary traits arrive as DataView, and a fake model offers all of the anywidget
contract: get, set, save_changes, on, off, send. `screenshot(page, name)` writes to $WORKBENCH_SCREENSHOTS, if set.
"""

import asyncio
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]
LOCAL = re.compile(r"((http|ws)s?://(127\.0\.0\.1|localhost)[:/])|((file|data|blob|about):)")
ORIGIN = "http://127.0.0.1:1"  # nothing listens there: `mount` answers every request itself
REMEDY = "no Chromium: apt-get install chromium (scripts/system-packages), or set CHROMIUM=/path/to/chromium"

# What JupyterLab's two themes set, as far as widgets may look at it.
JUPYTER_THEMES = {
    "light": {
        "--jp-layout-color0": "#ffffff",
        "--jp-layout-color1": "#ffffff",
        "--jp-layout-color2": "#eeeeee",
        "--jp-ui-font-color0": "rgba(0, 0, 0, 1)",
        "--jp-ui-font-color1": "rgba(0, 0, 0, 0.87)",
        "--jp-ui-font-color2": "rgba(0, 0, 0, 0.54)",
        "--jp-border-color1": "#bdbdbd",
        "--jp-border-color2": "#e0e0e0",
        "--jp-brand-color1": "#1976d2",
    },
    "dark": {
        "--jp-layout-color0": "#111111",
        "--jp-layout-color1": "#212121",
        "--jp-layout-color2": "#424242",
        "--jp-ui-font-color0": "rgba(255, 255, 255, 1)",
        "--jp-ui-font-color1": "rgba(255, 255, 255, 0.87)",
        "--jp-ui-font-color2": "rgba(255, 255, 255, 0.54)",
        "--jp-border-color1": "#616161",
        "--jp-border-color2": "#424242",
        "--jp-brand-color1": "#2196f3",
    },
}

MOUNT = """async ({state, binary, views, theme}) => {
  for (const [name, value] of Object.entries(theme ?? {})) document.body.style.setProperty(name, value);
  const put = (path, value) => {
    let place = state;
    for (const key of path.slice(0, -1)) place = place[key];
    place[path.at(-1)] = value;
  };
  for (const [i, path] of binary.entries())
    put(path, new DataView(await (await fetch(`/binary/${i}`)).arrayBuffer()));
  let listeners = [], changed = {};
  const emit = (event, ...what) => { for (const [name, call] of [...listeners]) if (name === event) call(...what); };
  const model = {
    get: (key) => state[key],
    set: (key, value) => {
      const same = JSON.stringify(state[key]) === JSON.stringify(value);
      state[key] = value;
      if (same) return;
      changed[key] = value;
      emit(`change:${key}`, model, value);
      emit("change", model);
    },
    save_changes: () => { mounted.saved.push(changed); changed = {}; },
    on: (event, call) => listeners.push([event, call]),
    off: (event, call) => {
      listeners = listeners.filter(([e, c]) => (event != null && e !== event) || (call != null && c !== call));
    },
    send: (content, callbacks, buffers) => mounted.sent.push(content),
  };
  const mounted = window.mounted = { model, saved: [], sent: [], views: [], emit, listeners: () => listeners.length };
  const module = (await import("/widget.js")).default;
  const control = new AbortController();
  const endModel = await module.initialize?.({ model, signal: control.signal });
  for (let i = 0; i < views; i++) {
    const el = document.body.appendChild(document.createElement("div"));
    el.dataset.view = i;
    const end = new AbortController();
    const cleanUp = await module.render({ model, el, signal: end.signal });
    mounted.views.push({ el, end: async () => { end.abort(); await cleanUp?.(); el.remove(); } });
  }
  mounted.end = async () => {
    for (const view of mounted.views) await view.end();
    control.abort();
    await endModel?.();
  };
  await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
}"""


class Mounted:
    """A widget shown by `mount`; its fake model is `window.mounted.model` in the page."""

    def __init__(self, page: Any, widget: Any) -> None:
        self.page, self.widget = page, widget

    def get(self, trait: str) -> Any:
        """The trait as the page's model has it."""
        return self.page.evaluate("(name) => mounted.model.get(name)", trait)

    def set(self, trait: str, value: Any) -> None:
        """Change a trait as the kernel would: listeners of `change:<trait>` are called."""
        self.page.evaluate("([name, value]) => mounted.model.set(name, value)", [trait, value])

    def saved(self) -> list[dict[str, Any]]:
        """What each save_changes so far carried, oldest first."""
        return self.page.evaluate("mounted.saved")

    def sent(self) -> list[Any]:
        """Custom messages sent to the kernel so far, oldest first."""
        return self.page.evaluate("mounted.sent")

    def receive(self, message: Any) -> None:
        """Deliver a custom message from the kernel."""
        self.page.evaluate("(message) => mounted.emit('msg:custom', message, [])", message)

    def pull(self) -> dict[str, Any]:
        """Give the Python widget all saved changes, as a kernel would get them; returns them."""
        changes: dict[str, Any] = {}
        for change in self.saved():
            changes |= change
        self.widget.set_state(changes)
        return changes

    def listeners(self) -> int:
        """Number of listeners on the model: 0 after a tidy end."""
        return self.page.evaluate("mounted.listeners()")

    def end_view(self, index: int = 0) -> None:
        """Abort the view's signal, call its clean-up function and remove its element."""
        self.page.evaluate("(i) => mounted.views[i].end()", index)

    def end(self) -> None:
        """End all views and the model."""
        self.page.evaluate("mounted.end()")


def mount(page: Any, widget: Any, *, views: int = 1, jupyter_theme: str | None = None, body: str = "") -> Mounted:
    """Render `widget` in `page`, `views` times, each in its own `div[data-view]` below one another.

    Args:
        jupyter_theme: "light" or "dark" sets JupyterLab's CSS variables on the body; None: a page outside of Jupyter.
        body: HTML put in front of the views.
    """
    state = dict(widget.get_state())
    esm, css = str(state.pop("_esm")), str(state.pop("_css", ""))
    binary: list[tuple[list[str | int], bytes]] = []
    state = _without_bytes(state, [], binary)
    head = f"<!doctype html><meta charset=utf-8><title>widget</title><style>{css}</style>"
    content = {
        "/": ("text/html", (head + f"<body>{body}").encode()),
        "/widget.js": ("text/javascript; charset=utf-8", esm.encode()),
        "/favicon.ico": ("image/x-icon", b""),
        **{f"/binary/{i}": ("application/octet-stream", data) for i, (_, data) in enumerate(binary)},
    }

    def serve(route: Any) -> None:
        kind, answer = content.get(route.request.url.removeprefix(ORIGIN), ("", b""))
        if kind:
            route.fulfill(content_type=kind, body=answer)
        else:
            route.fulfill(status=404)

    page.route(f"{ORIGIN}/**", serve)
    page.goto(f"{ORIGIN}/")
    if jupyter_theme:
        light = json.dumps(jupyter_theme == "light")
        page.evaluate("(light) => { document.body.dataset.jpThemeLight = light; }", light)
        page.evaluate("(color) => { document.body.style.background = color; }", "var(--jp-layout-color0)")
    theme = JUPYTER_THEMES[jupyter_theme] if jupyter_theme else None
    paths = [path for path, _ in binary]
    page.evaluate(MOUNT, {"state": state, "binary": paths, "views": views, "theme": theme})
    return Mounted(page, widget)


def screenshot(page: Any, name: str, **options: Any) -> None:
    """Write `<name>.png` to the directory $WORKBENCH_SCREENSHOTS; nothing if it is not set.

    Args:
        page: a page, or a locator for a part of one.
        options: those of playwright's `screenshot`.
    """
    directory = os.environ.get("WORKBENCH_SCREENSHOTS")
    if directory:
        page.screenshot(path=Path(directory) / f"{name}.png", **options)


def chromium_path() -> str | None:
    """Where Chromium is: $CHROMIUM, else the first known name on the PATH."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A playwright Browser. Skips without Chromium, but fails on a CI machine, where it must not be missing."""
    path = chromium_path()
    if path is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(REMEDY)
    from playwright.sync_api import sync_playwright

    playwright = sync_playwright().start()
    browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
    asyncio._set_running_loop(None)
    yield browser
    asyncio._set_running_loop(browser._loop)
    browser.close()
    playwright.stop()


@pytest.fixture
def new_page(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Makes pages; takes the options of playwright's `Browser.new_context`, e.g. `viewport`, `color_scheme`."""
    watches, contexts = [], []
    # Playwright's event loop runs in a greenlet of this thread and stays marked as the running one between its calls;
    # without taking the mark away, asyncio.run() in a later test would refuse to start.
    asyncio._set_running_loop(chromium._loop)

    def make(**options: Any) -> Any:
        context = chromium.new_context(**({"viewport": {"width": 1200, "height": 900}} | options))
        contexts.append(context)
        page = context.new_page()
        watches.append(_Watch(page))
        return page

    yield make
    for context in contexts:
        context.close()
    asyncio._set_running_loop(None)
    for watch in watches:
        assert watch.errors == [], f"the page reported errors: {watch.errors}"
        assert watch.foreign_requests == [], f"the page asked for {watch.foreign_requests}"


@pytest.fixture
def page(new_page: Callable[..., Any]) -> Any:
    """A fresh, watched page of 1200 x 900 pixels."""
    return new_page()


class _Watch:
    """Notes what no test may see: errors and requests to anything but loopback."""

    def __init__(self, page: Any) -> None:
        self.errors: list[str] = []
        self.foreign_requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: self._note(request.url))
        page.on("websocket", lambda socket: self._note(socket.url))

    def _note(self, url: str) -> None:
        if not LOCAL.match(url):
            self.foreign_requests.append(url)


def _without_bytes(value: Any, path: list[str | int], found: list[tuple[list[str | int], bytes]]) -> Any:
    """A copy in which bytes are None; what they were goes to `found` with its path."""
    if isinstance(value, bytes | bytearray | memoryview):
        found.append((path, bytes(value)))
        return None
    if isinstance(value, dict):
        return {key: _without_bytes(item, [*path, key], found) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_bytes(item, [*path, index], found) for index, item in enumerate(value)]
    return value
