"""Draws docs/images/chat.png: python -m tests.chat_picture, after a change of the page in examples/chat.py."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAID = [
    ("ann", "Which channel gives each value to all of its readers?"),
    ("bob", "goish.sync.Broadcast"),
    ("cho", "And who reads too slowly is dropped."),
]

sys.path.insert(0, str(ROOT / "tests" / "kit"))

from browser import Browser  # noqa: E402


def draw(url: str, folder: Path) -> bytes:
    with Browser(folder) as browser:
        page = browser.open(f"{url}/#garden")
        page.wait_until("at('state').textContent == 'connected'")
        for n, (name, text) in enumerate(SAID, 1):
            page.run("at('name').value = ''")
            page.type("#name", name)
            page.type("#text", f"{text}\n")
            page.wait_until(f"document.querySelectorAll('li').length == {n}")
        return page.picture(560, 320)


def main() -> None:
    command = [sys.executable, str(ROOT / "examples" / "chat.py"), "127.0.0.1:0"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
    ):
        assert server.stdout is not None
        picture = draw(server.stdout.readline().strip(), Path(folder))
        server.terminate()
        server.communicate()
    (ROOT / "docs" / "images" / "chat.png").write_bytes(picture)


if __name__ == "__main__":
    main()
