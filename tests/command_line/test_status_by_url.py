"""The status of a run behind a URL: who works on it, in lines or JSON, and nothing is fetched."""

import json
from pathlib import Path

import pytest

from engine.command_line.main import main
from engine.command_line.status_by_url import show_run_by_url
from engine.storage.remote.claims import Claim
from tests.support.object_store import Bucket, every_store


@every_store
def test_who_works_on_a_run_is_told(bucket: Bucket, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    claim = Claim.take(bucket.objects(), "demo/run.json", "node2/4711/other")
    claim.write({"links": {"samples": "samples/ab", "documents": "documents/cd"}})
    assert main(["status", f"{bucket.url}/demo"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"{bucket.url}/demo: goes on (pid 4711 on node2), heard of" in said
    assert "made documents, samples" in said
    claim.end(claim.content | {"earlier": ["samples"]})
    assert main(["status", f"{bucket.url}/demo"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "nobody works on it" in said
    assert "made documents, samples (of an earlier config)" in said
    assert not (tmp_path / "cache").exists(), "nothing is fetched"


def test_who_was_not_heard_of_has_died(
    bucket: Bucket, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Claim.take(bucket.objects(), "demo/run.json", "node2/4711/other")
    monkeypatch.setattr("engine.command_line.status_by_url.LEASE_SECONDS", -10.0)
    assert not show_run_by_url(f"{bucket.url}/demo", as_json=True)
    assert json.loads(capsys.readouterr().out) | {"age_seconds": 0} == {
        "url": f"{bucket.url}/demo",
        "holder": "node2/4711/other",
        "age_seconds": 0,
        "entries": [],
        "earlier": [],
        "is_well": False,
    }


def test_what_cannot_be_shown_is_one_line(bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", f"{bucket.url}/demo"]) == 2
    assert "is no run folder" in capsys.readouterr().err
    assert main(["status", f"{bucket.url}/demo", "--follow"]) == 2
    assert "is shown once" in capsys.readouterr().err
