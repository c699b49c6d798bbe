"""Microsoft's own emulator of Azure's blob storage, Azurite, on loopback; tests that need it are skipped without it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import pytest

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that every Azurite has; its key is in Microsoft's documentation."""
_MODULES = Path(__file__).parents[2] / "node_modules" / ".bin"
_START_SECONDS = 60.0
_VERSION = "2021-08-06"


@contextmanager
def azurite(folder: Path) -> Iterator[int]:
    """Runs one that keeps everything in memory while the block lasts; gives its port."""
    program = shutil.which("azurite-blob", path=f"{os.environ.get('PATH', '')}:{_MODULES}")
    if program is None:
        pytest.skip("Azurite is not installed (in this folder: npm install --no-save --ignore-scripts azurite)")
    port = _free_port()
    command = [program, "--blobPort", str(port), "--inMemoryPersistence", "--disableTelemetry"]
    with (folder / "azurite.log").open("wb") as log:
        process = subprocess.Popen([*command, "--skipApiVersionCheck"], cwd=folder, stdout=log, stderr=log)
    try:
        _wait_for(port, process, folder / "azurite.log")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def make_container(port: int, name: str) -> None:
    """Makes a container, by the one request that obstore has no word for."""
    now = formatdate(usegmt=True)
    resource = f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
    signed = "PUT" + "\n" * 12 + f"x-ms-date:{now}\nx-ms-version:{_VERSION}\n{resource}"
    signature = base64.b64encode(hmac.digest(base64.b64decode(KEY), signed.encode(), hashlib.sha256)).decode()
    headers = {"x-ms-date": now, "x-ms-version": _VERSION, "Authorization": f"SharedKey {ACCOUNT}:{signature}"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("PUT", f"/{ACCOUNT}/{name}?restype=container", headers={**headers, "Content-Length": "0"})
    assert connection.getresponse().status == 201
    connection.close()


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    ends = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > ends:
                raise RuntimeError(f"Azurite did not start: {log.read_text()}") from error
            time.sleep(0.05)
        else:
            return
