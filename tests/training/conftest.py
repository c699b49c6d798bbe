"""The base model that tests of training share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.training import write_base


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two small layers as a sentence-transformers folder; nobody writes into it."""
    return write_base(tmp_path_factory.mktemp("base"))
