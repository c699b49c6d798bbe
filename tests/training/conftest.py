"""The base model that tests of training share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.training import write_base


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two small layers as a sentence-transformers folder; nobody writes into it."""
    return write_base(tmp_path_factory.mktemp("base"))


@pytest.fixture
def local_training(ray_session: None) -> Iterator[None]:
    """Trainings of one worker run in this process, and only what feeds them on the Ray of the session."""
    from tests.support.local_training import training_here

    with training_here():
        yield
