"""Settings of validation: what is refused, and what counts for the fingerprint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.runtime.identity import identity_of
from tests.support.small_run import write_benchmark
from training.validation.config import Keep, ValidatedOn, ValidationConfig


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"every": -1}, "model.validation.every=-1"),
        ({"every": 0, "patience": 2}, "model.validation.every=0"),
        ({"every": 0, "keep": Keep.best}, "model.validation.every=0"),
        ({"patience": 0}, "model.validation.patience=0"),
        ({"max_queries": 0}, "model.validation.max_queries=0"),
        ({"max_passages": 1}, "model.validation.max_passages=1"),
        ({"queries": ValidatedOn.judged}, "model.validation.queries=judged"),
        ({"queries": ValidatedOn.both}, "model.validation.queries=both"),
        ({"judged": "somewhere"}, "model.validation.judged=somewhere"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, Any], where: str) -> None:
    with pytest.raises(UserError) as caught:
        ValidationConfig(**changes)
    assert caught.value.where == where


def test_what_is_asked_for_is_more_than_the_default() -> None:
    assert not ValidationConfig().is_asked_for
    assert not ValidationConfig(every=0).is_asked_for
    for changes in ({"every": 5}, {"patience": 1}, {"keep": Keep.best}):
        assert ValidationConfig(**changes).is_asked_for  # type: ignore[arg-type]


def test_judged_queries_are_read_and_known_by_their_content(tmp_path: Path) -> None:
    folder = write_benchmark(tmp_path / "one", "dev")
    config = ValidationConfig(queries=ValidatedOn.judged, judged=str(folder))
    development = config.development()
    assert development
    assert "q1" in development.qrels
    other = write_benchmark(tmp_path / "other", "dev")
    assert identity_of(config) == identity_of(ValidationConfig(queries=ValidatedOn.judged, judged=str(other)))
    (other / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq1\tapples\t1\n")
    assert identity_of(config) != identity_of(ValidationConfig(queries=ValidatedOn.judged, judged=str(other)))
    assert ValidationConfig().development() is None


@pytest.mark.parametrize(
    ("folder", "split", "where"), [("nowhere", "dev", "judged=nowhere"), ("one", "train", "split=train")]
)
def test_judged_queries_that_are_not_there_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, split: str, where: str
) -> None:
    write_benchmark(tmp_path / "one", "dev")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        identity_of(ValidationConfig(queries=ValidatedOn.judged, judged=folder, split=split))
    assert caught.value.where == f"model.validation.{where}"
