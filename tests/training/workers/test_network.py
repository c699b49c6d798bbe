"""Workers on several nodes use the network by which Ray reaches them."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from training.workers import network
from training.workers.network import GLOO_NETWORK, NodeNetwork, name_network, network_of


class Workers:
    """A group of workers on some nodes, which notes what it is asked to execute."""

    def __init__(self, *nodes: str) -> None:
        self._workers = [SimpleNamespace(metadata=SimpleNamespace(node_id=node)) for node in nodes]
        self.executed: list[Any] = []

    def get_workers(self) -> list[SimpleNamespace]:
        return self._workers

    def execute(self, function: Any) -> None:
        self.executed.append(function)


def test_a_network_is_known_by_its_address() -> None:
    name, given = next(iter(psutil.net_if_addrs().items()))
    assert network_of(given[0].address) == name
    assert network_of("203.0.113.77") == "", "an address of documents, which nobody has"


def test_what_a_user_says_of_the_network_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ray.util.get_node_ip_address", lambda: "127.0.0.1")
    monkeypatch.setenv(GLOO_NETWORK, "")
    monkeypatch.delenv(GLOO_NETWORK)
    name_network()

    assert os.environ[GLOO_NETWORK] == network_of("127.0.0.1") != ""
    monkeypatch.setenv(GLOO_NETWORK, "mine")
    name_network()
    assert os.environ[GLOO_NETWORK] == "mine"


def test_it_is_named_where_workers_are_on_several_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network._TorchBackend, "on_start", lambda *_: None)
    for nodes, executed in ((("a", "a"), []), (("a", "b"), [name_network])):
        workers = Workers(*nodes)
        config = NodeNetwork()
        config.backend_cls().on_start(workers, config)
        assert workers.executed == executed
