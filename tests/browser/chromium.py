"""A page in a headless Chromium, driven by its DevTools protocol: no driver program is needed."""

import base64
import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import threading
import time
import urllib.request
from itertools import count
from pathlib import Path

KEYS = {"Tab": 9, "ArrowRight": 39, "ArrowLeft": 37, "ArrowDown": 40, "ArrowUp": 38, "Enter": 13}


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of static files that prints nothing."""

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def static_files(folder: Path):
    """A plain server of a folder's files; its address."""
    handler = functools.partial(Quiet, directory=folder)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def find_chromium() -> str | None:
    """The program, or None."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next(filter(None, map(shutil.which, names)), None)


class Page:
    """One tab. Use as a context manager.

    Args:
        folder: for the browser's profile.
        width, height: of the window, pixels.
        on_failure: where to save a screenshot if the block ends in an exception.
    """

    def __init__(self, folder: Path, width=1280, height=1000, on_failure: Path | None = None):
        self.on_failure = on_failure
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        options += ["--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-port=0"]
        options += [f"--user-data-dir={folder}", f"--window-size={width},{height}", "about:blank"]
        # No CI etc. of ours matters to a browser, but a proxy would catch even local addresses.
        environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
        self.folder, self.numbers, self.events = Path(folder), count(1), []
        self.process = subprocess.Popen(
            [find_chromium(), *options],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> "Page":
        import websocket

        try:
            port_file = self.folder / "DevToolsActivePort"
            wait(lambda: port_file.exists() and port_file.read_text().strip(), "Chromium", 60)
            port = port_file.read_text().splitlines()[0]
            pages = wait(lambda: self._pages(port), "a tab", 60)
            self.socket = websocket.create_connection(
                pages[0]["webSocketDebuggerUrl"], timeout=60, suppress_origin=True
            )
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.send(f"{domain}.enable")
        except BaseException:
            self.process.kill()
            raise
        return self

    def __exit__(self, kind, *_) -> None:
        if kind and self.on_failure:
            self.screenshot(self.on_failure)
        self.socket.close()
        stop(self.process)

    @staticmethod
    def _pages(port: str) -> list[dict]:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=10) as answer:
            return [page for page in json.load(answer) if page["type"] == "page"]

    def send(self, method: str, **parameters) -> dict:
        """One command of the protocol, and its result."""
        number = next(self.numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def errors(self) -> list[str]:
        """What the browser's console has shown as errors since the tab was opened."""
        found = []
        self.value("1")  # the protocol keeps the order: what happened before is in by now
        for event in self.events:
            kind, told = event["method"], event["params"]
            if kind == "Runtime.exceptionThrown":
                details = told["exceptionDetails"]
                found.append(details.get("exception", {}).get("description") or details["text"])
            elif kind == "Log.entryAdded" and told["entry"]["level"] == "error":
                found.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")
            elif kind == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert"):
                found.append(str([a.get("value") for a in told["args"]]))
        return found

    def requests(self) -> list[str]:
        """The addresses that were asked for since the tab was opened."""
        self.value("1")
        sent = [e["params"] for e in self.events if e["method"] == "Network.requestWillBeSent"]
        return [told["request"]["url"] for told in sent]

    def resize(self, width: int, height: int) -> None:
        """Give the page's window another size, pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def prefer(self, scheme: str) -> None:
        """Have the system prefer "light" or "dark"."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def drag(self, selector: str, dx: float, dy: float) -> None:
        """Press the mouse in the middle of an element, move it, and let go."""
        x, y = self.middle(selector)
        mouse = {"button": "left", "buttons": 1, "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, **mouse)
        for part in (0.5, 1):
            place = {"x": x + part * dx, "y": y + part * dy}
            self.send("Input.dispatchMouseEvent", type="mouseMoved", **place, **mouse)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", **place, **mouse)

    def open(self, url: str) -> None:
        """Go to an address."""
        self.send("Page.navigate", url=url)

    def value(self, expression: str):
        """The value of a JavaScript expression in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"].get("text"))
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = 60):
        """Wait until an expression is truthy, and return it."""
        return wait(lambda: self.value(expression), expression, seconds)

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press and release a key (modifiers: 1 Alt, 2 Ctrl, 8 Shift)."""
        what = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key], "modifiers": modifiers}
        self.send("Input.dispatchKeyEvent", type="rawKeyDown", **what)
        self.send("Input.dispatchKeyEvent", type="keyUp", **what)

    def click(self, selector: str) -> None:
        """Click the middle of the first element that fits a CSS selector, as a mouse does."""
        x, y = self.middle(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def middle(self, selector: str) -> tuple[float, float]:
        """Bring the first element that fits a CSS selector into view; its middle."""
        return tuple(
            self.value(
                f"""(() => {{const e = document.querySelector({json.dumps(selector)});
                e.scrollIntoView({{block: "center"}}); const r = e.getBoundingClientRect();
                return [r.x + r.width / 2, r.y + r.height / 2]}})()"""
            )
        )

    def picture(self) -> bytes:
        """What the window shows as a PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot")["data"])

    def screenshot(self, path: Path) -> None:
        """Save :meth:`picture`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.picture())


def stop(process: subprocess.Popen, seconds: float = 20) -> None:
    """End a program, gently first."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait(ready, what: str, seconds: float):
    """Ask again and again until ``ready()`` is truthy; return it.

    Raises:
        TimeoutError: after so many seconds.
    """
    end, problem = time.monotonic() + seconds, None
    while time.monotonic() < end:
        try:
            if result := ready():
                return result
        except (OSError, RuntimeError) as error:
            problem = error
        time.sleep(0.2)
    raise TimeoutError(f"waited {seconds:g} s for {what} ({problem})")
