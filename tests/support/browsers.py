"""Drives chromium by its debugging pipe, without a library: pages, keys, what a page shows, and what it saves.

In: a profile folder, which keeps what a page stores. Out: a Browser that is offline. Messages are JSON with a zero byte
after each (Chrome DevTools Protocol, `--remote-debugging-pipe`), which chromium reads from file 3 and writes to file 4.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.waiting import wait_until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome") or ""
"""The program; empty where there is none."""
_FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-pipe")


class Browser:
    """A chromium that shows one page.

    Args:
        sent: where messages for it go.
        answered: where its messages come from.
        downloads: the folder for what pages save.
    """

    def __init__(self, sent: int, answered: int, downloads: Path) -> None:
        self._sent, self._answered, self._rest, self._number, self._session = sent, answered, b"", 0, ""
        self.requests: list[str] = []
        """The addresses that the page asked for."""
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Network.enable")
        self._ask("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=0, uploadThroughput=0)
        self._ask("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def open(self, page: Path) -> None:
        """Shows a file, and waits until it is read."""
        self._ask("Page.navigate", url=page.as_uri())
        is_there = f"document.readyState === 'complete' && location.href === '{page.as_uri()}'"
        wait_until(lambda: bool(self.value(is_there)), f"the page {page}")

    def press(self, keys: str) -> None:
        """Presses keys one after another."""
        for key in keys:
            self._ask("Input.dispatchKeyEvent", type="keyDown", key=key, text=key)
            self._ask("Input.dispatchKeyEvent", type="keyUp", key=key)

    def value(self, expression: str) -> Any:
        """Returns what an expression gives in the page."""
        return self._ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def resize(self, width: int, height: int) -> None:
        """Gives the page another size, in pixels."""
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def close(self) -> None:
        """Ends the browser as a person does; what pages stored is on the disk then."""
        self._session = ""
        self._ask("Browser.close")

    def _ask(self, method: str, **values: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": values}
        session = {"sessionId": self._session} if self._session else {}
        os.write(self._sent, json.dumps(message | session).encode() + b"\0")
        while True:
            told = self._next()
            if told.get("method") == "Network.requestWillBeSent":
                self.requests.append(told["params"]["request"]["url"])
            if told.get("id") == self._number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            read = os.read(self._answered, 1 << 16)
            assert read, "chromium ended"
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message


@contextmanager
def browser(profile: Path, downloads: Path) -> Iterator[Browser]:
    """Starts chromium, and closes it at the end.

    Args:
        profile: what it keeps, such as the storage of pages.
        downloads: the folder for what pages save.
    """
    theirs, ours = os.pipe()
    read, written = os.pipe()
    command = [
        "bash",
        "-c",
        f'exec "$0" "$@" 3<&{theirs} 4>&{written}',
        CHROMIUM,
        *_FLAGS,
        f"--user-data-dir={profile}",
    ]
    with subprocess.Popen(command, pass_fds=(theirs, written), stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        os.close(written)
        try:
            started = Browser(ours, read, downloads)
            yield started
            started.close()
            process.wait(30)
        finally:
            process.kill()
            os.close(ours)
            os.close(read)
