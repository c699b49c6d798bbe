"""A stand-in for the hub on this machine: what `huggingface_hub` asks of it, over HTTP, and a list of what was asked.

It keeps repositories in memory. A file is large where the hub takes it for binary, and then its content is sent to the
storage of large files first, unless that has it. Everything else is sent within the commit.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

TOKEN = "hf_aSecretThatIsNowhere"
"""The one token that the stand-in knows, of the user `me`, who writes for `team` too."""
LARGE = (".safetensors", ".index", ".npy", ".npz")
"""The ends of the names of large files."""

Answer = tuple[int, dict[str, Any]]
"""The status of an answer, and its values."""


@dataclass
class Repository:
    """The files of a repository: their content, by path."""

    private: bool
    files: dict[str, bytes] = field(default_factory=dict)
    commits: int = 0


@dataclass
class Hub:
    """What the stand-in holds, and was asked."""

    url: str = ""
    role: str = "write"
    repositories: dict[str, Repository] = field(default_factory=dict)
    stored: dict[str, bytes] = field(default_factory=dict)
    """Large files by their sha256, whether or not a commit names them."""
    asked: list[str] = field(default_factory=list)
    """Each request: its method and path."""
    tokens: set[str] = field(default_factory=set)
    refuses_commits: bool = False

    def received(self, method: str, part: str) -> list[str]:
        """The requests of a method whose path has a part."""
        return [asked for asked in self.asked if asked.startswith(method) and part in asked]


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A stand-in that listens on the loopback until the block ends."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub

    def do_GET(self) -> None:
        self._note()
        if not self._is_known():
            return self._answer(401, {"error": f"Invalid token {self.headers['authorization']}"})
        if self.path == "/api/whoami-v2":
            token = {"auth": {"accessToken": {"role": self.hub.role}}}
            return self._answer(200, {"name": "me", "orgs": [{"name": "team"}], **token})
        name = self.path.removeprefix("/api/models/").partition("?")[0]
        repository = self.hub.repositories.get(name)
        if repository is None:
            return self._answer(404, {"error": "Repository not found"}, code="RepoNotFound")
        siblings = [_sibling(path, content) for path, content in repository.files.items()]
        values = {"id": name, "private": repository.private, "siblings": siblings, "sha": "0" * 40}
        return self._answer(200, {**values, "tags": _tags(repository.files.get("README.md", b""))})

    def do_POST(self) -> None:
        self._note()
        body = self.rfile.read(int(self.headers["content-length"]))
        if not self._is_known():
            return self._answer(401, {"error": "Invalid token"})
        for pattern, answer in _POSTS.items():
            if match := re.fullmatch(pattern, self.path):
                return self._answer(*answer(self, match[1] if match.groups() else "", body))
        return self._answer(404, {"error": self.path})

    def validated(self, _: str, __: bytes) -> Answer:
        """The card's front matter is what a hub reads."""
        return 200, {"errors": [], "warnings": []}

    def created(self, _: str, body: bytes) -> Answer:
        """A repository that was not there."""
        asked = json.loads(body)
        name = f"{asked['organization'] or 'me'}/{asked['name']}"
        assert name not in self.hub.repositories
        self.hub.repositories[name] = Repository(private=asked["visibility"] == "private")
        return 200, {"url": f"{self.hub.url}/{name}", "name": name}

    def modes(self, name: str, body: bytes) -> Answer:
        """How each file is to be sent, and the hash of what is there."""
        known = self.hub.repositories[name].files
        paths = [file["path"] for file in json.loads(body)["files"]]
        files = [
            {
                "path": path,
                "uploadMode": "lfs" if path.endswith(LARGE) else "regular",
                "shouldIgnore": False,
                "oid": _git_blob(known[path]) if path in known else None,
            }
            for path in paths
        ]
        return 200, {"files": files}

    def wanted(self, _: str, body: bytes) -> Answer:
        """Where large files are to be sent whose content is not there."""
        objects = json.loads(body)["objects"]
        for each in objects:
            if each["oid"] not in self.hub.stored:
                each["actions"] = {"upload": {"href": f"{self.hub.url}/storage/{each['oid']}"}}
        return 200, {"transfer": "basic", "objects": objects}

    def committed(self, name: str, body: bytes) -> Answer:
        """The files of a commit, the large ones by their hashes."""
        if self.hub.refuses_commits:
            return 403, {"error": f"no writing with {TOKEN}"}
        repository = self.hub.repositories[name]
        repository.commits += 1
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                repository.files[value["path"]] = self.hub.stored[value["oid"]]
            elif line["key"] == "deletedFile":
                del repository.files[value["path"]]
            else:
                assert line["key"] == "header", line
        url = f"{self.hub.url}/{name}/commit/{'0' * 40}"
        return 200, {"commitUrl": url, "commitOid": "0" * 40, "success": True}

    def do_PUT(self) -> None:
        """The storage of large files, which knows no tokens."""
        self._note()
        content = self.rfile.read(int(self.headers["content-length"]))
        assert hashlib.sha256(content).hexdigest() == self.path.rpartition("/")[2]
        self.hub.stored[hashlib.sha256(content).hexdigest()] = content
        self._answer(200, {})

    def log_message(self, *_: Any) -> None:
        """Prints nothing."""

    def _note(self) -> None:
        self.hub.asked.append(f"{self.command} {self.path}")
        if token := self.headers.get("authorization"):
            self.hub.tokens.add(token)

    def _is_known(self) -> bool:
        return self.headers.get("authorization") == f"Bearer {TOKEN}"

    def _answer(self, status: int, values: dict[str, Any], code: str = "") -> None:
        body = json.dumps(values).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        if code:
            self.send_header("x-error-code", code)
        self.end_headers()
        self.wfile.write(body)


_POSTS = {
    r"/api/validate-yaml": _Handler.validated,
    r"/api/repos/create": _Handler.created,
    r"/api/models/(.+)/preupload/main": _Handler.modes,
    r"/(.+)\.git/info/lfs/objects/batch": _Handler.wanted,
    r"/api/models/(.+)/commit/main": _Handler.committed,
}
"""What is posted, by its path."""


def _tags(card: bytes) -> list[str]:
    """The tags in the front matter of a card, as the hub lists them."""
    front = card.decode().split("---")[1] if card.startswith(b"---") else ""
    return list((yaml.safe_load(front) or {}).get("tags", []))


def _git_blob(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _sibling(path: str, content: bytes) -> dict[str, Any]:
    sibling: dict[str, Any] = {"rfilename": path, "size": len(content), "blobId": _git_blob(content)}
    if path.endswith(LARGE):
        sibling["lfs"] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
    return sibling


def use_hub(hub: Hub, home: Path, monkeypatch: pytest.MonkeyPatch, token: str = TOKEN) -> None:
    """Lets this process take the stand-in for the hub, with a token or without one.

    Xet, the hub's own storage of pieces, has no stand-in; what does without it sends the same files whole.
    """
    from huggingface_hub import constants

    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    if token:
        monkeypatch.setenv("HF_TOKEN", token)
    else:
        monkeypatch.delenv("HF_TOKEN", raising=False)
