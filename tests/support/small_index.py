"""A package index on the loopback address: a page for each folder, and files of which parts can be asked for."""

import base64
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.small_wheels import sha256_of


@contextmanager
def index_of(folder: Path, *, parts: bool = True, login: str = "") -> Iterator[str]:
    """Serves `folder/PROJECT/FILE` and yields the address; without `parts`, files are sent whole.

    With a `login` such as `name:token` it answers nobody else; the address is yielded without it.
    """
    allowed = f"Basic {base64.b64encode(login.encode()).decode()}" if login else None

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != allowed:
                return self.answer(401, b"")
            path = folder / self.path.strip("/")
            if path.is_dir():
                links = (f'<a href="{file.name}#sha256={sha256_of(file)}">{file.name}</a>' for file in path.iterdir())
                return self.answer(200, "\n".join(links).encode())
            if not path.is_file():
                return self.answer(404, b"")
            data = path.read_bytes()
            asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
            if asked and parts:
                return self.answer(206, data[int(asked[1]) : int(asked[2]) + 1])
            return self.answer(200, data)

        do_HEAD = do_GET  # noqa: N815

        def answer(self, status: int, data: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
