"""Fixtures of tests that plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.artifacts.prompts import PromptsFolder, PromptsRecord
from engine.prompts.config import PromptsConfig
from engine.prompts.step import plan_prompts
from tests.support.places import quiet_place
from tests.support.planning import Plan, write_documents


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    """A documents folder of thirty passages."""
    return write_documents(tmp_path / "documents")


@pytest.fixture
def plan(documents: Path, tmp_path: Path) -> Plan:
    """Plans a first round into a fresh folder, at a place without engines."""

    def begin(config: PromptsConfig) -> tuple[PromptsFolder, PromptsRecord]:
        output = tmp_path / f"prompts{len(list(tmp_path.iterdir()))}"
        output.mkdir()
        return PromptsFolder(output), plan_prompts(config, {"documents": documents}, output, quiet_place(tmp_path))

    return begin
