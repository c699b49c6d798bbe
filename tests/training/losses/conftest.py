"""The model that tests of losses share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.losses import without_dropout


@pytest.fixture(scope="session")
def still(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small BERT without dropout, as a folder that nobody writes into."""
    return without_dropout(base, tmp_path_factory.mktemp("still") / "encoder")
