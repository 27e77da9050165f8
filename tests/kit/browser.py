"""A headless Chromium, driven through a pipe: it opens pages, types, runs JavaScript and takes pictures.

It speaks the DevTools protocol (https://chromedevtools.github.io/devtools-protocol): JSON with a zero byte behind each
message, on descriptors 3 and 4 of the browser.

Threads: one at a time.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tools import find_tool

FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe"),
]
START = 'reads=$1 writes=$2; shift 2; exec "$@" 3<&$reads 4>&$writes'


class Browser:
    """Runs until the end of its ``with`` block; ``folder`` is empty, for what the browser keeps."""

    def __init__(self, folder: Path) -> None:
        reads, self._commands = os.pipe()
        self._answers, writes = os.pipe()
        high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in (reads, writes)]  # not in the way of 3 and 4
        arguments = [*map(str, high), find_tool("chromium"), *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        with (folder / "log").open("wb") as log:
            command = ["bash", "-c", START, "chromium", *arguments]
            self._process = subprocess.Popen(command, pass_fds=high, stdout=log, stderr=log)
        for fd in (reads, writes, *high):
            os.close(fd)
        self._received = b""
        self._sent = 0
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._commands)  # which ends it
        os.close(self._answers)
        self._process.wait()

    def open(self, url: str) -> Page:
        """A new window that has loaded the page."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"])
        page.call("Page.enable")
        page.call("Page.navigate", url=url)
        self.wait_for("Page.loadEventFired", page.session)
        return page

    def call(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        """What a method of the protocol gives."""
        self._sent += 1
        message: dict[str, Any] = {"id": self._sent, "method": method, "params": parameters}
        if session is not None:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._sent:
            self._events.append(answer)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    def wait_for(self, event: str, session: str) -> None:
        """Until it has come since the session began; it is forgotten then."""
        while not (found := [e for e in self._events if (e["method"], e.get("sessionId")) == (event, session)]):
            self._events.append(self._receive())
        self._events.remove(found[0])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._received:
            data = os.read(self._answers, 65536)
            assert data, "Chromium has ended"
            self._received += data
        message, _, self._received = self._received.partition(b"\0")
        received: dict[str, Any] = json.loads(message)
        return received


class Page:
    """A window with a page. ``Browser.open`` makes it."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self.session = session

    def call(self, method: str, **parameters: Any) -> Any:
        return self._browser.call(method, self.session, **parameters)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; of a promise, what it becomes."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait_until(self, condition: str) -> None:
        """Until a JavaScript expression, which looks at the document, is true."""
        self.run(f"""new Promise(done => {{
            const look = () => ({condition}) && (done(), true)
            const changes = {{subtree: true, childList: true, characterData: true}}
            look() || new MutationObserver(look).observe(document, changes)
        }})""")

    def type(self, selector: str, text: str) -> None:
        """Text into a field, as a person does; a line feed is the Enter key."""
        self.run(f"document.querySelector({json.dumps(selector)}).focus()")
        line, enter, _ = text.partition("\n")
        self.call("Input.insertText", text=line)
        if enter:
            for kind in ("keyDown", "keyUp"):
                self.call("Input.dispatchKeyEvent", type=kind, key="Enter", text="\r", windowsVirtualKeyCode=13)

    def picture(self, width: int, height: int) -> bytes:
        """The window, as PNG."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        return base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"])
