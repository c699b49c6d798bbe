"""A run that makes no model, or no search, has nothing to publish, and says so before anything is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.command_line.compose import load_config
from engine.errors import UserError
from engine.pipeline.config import RunConfig
from engine.pipeline.published import target_of
from engine.publishing.target import Target
from engine.run import run


def composed(corpus: Path, *overrides: str) -> RunConfig:
    return load_config(["experiment=adapt", f"collection={corpus}", "samples=fake", *overrides])[0]


def test_nothing_is_published_by_default(corpus: Path) -> None:
    assert target_of(composed(corpus)) is None


def test_a_model_is_published_privately(corpus: Path) -> None:
    assert target_of(composed(corpus, "publish=hub:me/x", "until=model")) == Target("me/x")
    everything = ("publish=hub:me/x", "publish_private=false", "publish_system=true")
    assert target_of(composed(corpus, *everything)) == Target("me/x", is_private=False, with_system=True)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["publish=me/x"], "publish=me/x: names no repository of a hub"),
        (["publish=hub:me/x", "until=examples"], "publish=hub:me/x: the run ends with its examples"),
        (["publish=hub:me/x", "publish_system=true", "until=report"], "publish_system=true: the run ends with"),
        (["publish=hub:me/x", "publish_system=true", "model=cross_encoder"], "publish_system=true: the run ends with"),
        (["publish=hub:me/x", "model.lora.rank=8", "model.lora.merge=false"], "model.lora.merge=false: leaves"),
        (["publish_system=true"], "publish_system=true: nothing is published"),
    ],
)
def test_what_cannot_be_published_is_refused(corpus: Path, overrides: list[str], said: str) -> None:
    with pytest.raises(UserError) as caught:
        target_of(composed(corpus, *overrides))
    assert str(caught.value).startswith(said)


def test_a_run_without_a_token_ends_before_it_begins(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.delenv("HF_TOKEN", raising=False)
    monkeypatch.delenv("HUGGING_FACE_HUB_TOKEN", raising=False)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    config = composed(corpus, "publish=hub:me/x", f"runs_dir={tmp_path / 'runs'}")
    with pytest.raises(UserError, match="there is no token for the hub"):
        run(config, "")
    assert not (tmp_path / "runs").exists()
