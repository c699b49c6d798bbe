"""Where a run lives and which steps it wants; the run itself is in test_pipeline and test_crash."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.command_line.compose import load_config
from engine.command_line.preview import preview
from engine.errors import UserError
from engine.run import run, run_folder, wanted_steps
from engine.runtime.place import Place
from engine.runtime.step import Step
from engine.storage.in_use import while_no_driver_starts
from engine.storage.store import Store


def test_a_run_is_named_after_experiment_and_collection(corpus: Path) -> None:
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "runs_dir=/tmp/r"])
    assert run_folder(config) == Path("/tmp/r/adapt-corpus")
    config, _ = load_config(["experiment=adapt", f"documents.path={corpus}/corpus.jsonl", "runs_dir=/tmp/r"])
    assert run_folder(config) == Path("/tmp/r/adapt-corpus"), "a file gives its name without the ending"
    config, _ = load_config(["experiment=adapt", "documents.path=notes.v2/", "runs_dir=/tmp/r"])
    assert run_folder(config) == Path("/tmp/r/adapt-notes.v2")
    config, _ = load_config(["experiment=demo"])
    assert run_folder(config) == Path("runs/demo").absolute()
    config, _ = load_config(["experiment=demo", "run_dir=/tmp/mine"])
    assert run_folder(config) == Path("/tmp/mine")


def test_until_names_the_last_step(corpus: Path) -> None:
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "until=samples"])
    assert [step.noun for step in wanted_steps(config)] == ["documents", "prompts", "samples"]
    config, _ = load_config(["experiment=adapt", f"collection={corpus}", "until=smaples"])
    with pytest.raises(UserError, match="no step is called 'smaples'") as caught:
        wanted_steps(config)
    assert "did you mean 'samples'" in caught.value.remedy


class LookedAtError(Exception):
    """Ends a run where a test has seen enough."""


@pytest.mark.parametrize(("module", "start"), [("engine.run", run), ("engine.command_line.preview", preview)])
def test_whoever_makes_steps_says_first_which_so_that_clean_leaves_them(
    corpus: Path, tmp_path: Path, module: str, start: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    overrides = ["experiment=adapt", f"collection={corpus}", f"runs_dir={tmp_path}", "tracking=off", "until=prompts"]
    config, text = load_config(overrides)

    def look(step: Step, store: Store, place: Place) -> Path:
        with while_no_driver_starts(store.root) as fingerprints:
            assert fingerprints == {step.fingerprint for step in wanted_steps(config)}
        raise LookedAtError(step, place)

    monkeypatch.setattr(f"{module}.make", look)
    with pytest.raises(LookedAtError):
        start(config, text) if start is run else start(config)
    with while_no_driver_starts(tmp_path / "store") as fingerprints:
        assert fingerprints == set()
