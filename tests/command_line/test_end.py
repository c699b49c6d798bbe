"""How a finished model is loaded, as the terminal says it."""

from __future__ import annotations

from pathlib import Path

from engine.command_line.end import load_lines
from engine.models.resolve import resolve_model


def test_the_lines_load_a_model(tmp_path: Path) -> None:
    lines = load_lines(str(resolve_model("bundled:all-minilm-l6-v2", key="model.base")))
    assert len(lines.splitlines()) == 3
    scope: dict[str, object] = {}
    exec(lines, scope)
    assert scope["vectors"].shape == (2, 384)  # type: ignore[attr-defined]
