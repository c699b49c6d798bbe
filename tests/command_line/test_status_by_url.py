"""The status of a run behind a URL: who works on it, in lines or JSON, and nothing is fetched."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.command_line.main import main
from engine.command_line.status import NOT_WELL, Options
from engine.command_line.status_by_url import show_run_by_url
from engine.storage.remote.claims import Claim
from engine.storage.run_folders import FORMAT
from engine.storage.typed import to_json_values
from engine.watch.made import Kept, Made
from engine.watch.status import RunState, Status
from tests.command_line.test_status import NOW
from tests.support.object_store import Bucket, every_store

WHOLE = {"format": FORMAT, "name": "demo", "config": "seed: 1", "links": {}, "earlier": []}
"""What a driver writes of a run in which nothing is made."""


@every_store
def test_who_works_on_a_run_is_told(bucket: Bucket, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    claim = Claim.take(bucket.objects(), "demo/run.json", "node2/4711/other")
    claim.write(WHOLE | {"links": {"samples": "samples/ab", "documents": "documents/cd"}})
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
    options = Options(f"{bucket.url}/demo", as_json=True, follow=True)
    assert show_run_by_url(options) == NOT_WELL, "a dead run is not followed"
    assert json.loads(capsys.readouterr().out) | {"age_seconds": 0} == {
        "url": f"{bucket.url}/demo",
        "holder": "node2/4711/other",
        "age_seconds": 0,
        "entries": [],
        "earlier": [],
        "life": "has died",
        **dict.fromkeys(("status", "made", "kept")),
        "is_well": False,
    }


def test_what_cannot_be_shown_is_one_line(bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", f"{bucket.url}/demo"]) == 2
    assert "is no run folder" in capsys.readouterr().err


def say(bucket: Bucket, claim: Claim, status: Status, **others: object) -> None:
    """What a driver puts beside its claim."""
    said = {"fence": claim.fence, "status": to_json_values(status), **others}
    bucket.objects().put("demo/status.json", json.dumps(said).encode())


def test_how_far_a_run_is_is_told_as_of_a_folder(bucket: Bucket, capsys: pytest.CaptureFixture[str]) -> None:
    claim = Claim.take(bucket.objects(), "demo/run.json", "node2/4711/other")
    claim.write(WHOLE | {"links": {"documents": "documents/cd"}, "earlier": ["report"]})
    made, kept = Made(1200, 34, 7200.0, 0.0, 4.5), Kept(180, 256, is_curated=False)
    say(bucket, claim, NOW, made=to_json_values(made), kept=to_json_values(kept))
    assert main(["status", f"{bucket.url}/demo"]) == 0
    shown = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert shown[0].startswith(f"run {bucket.url}/demo: goes on (pid ")
    for line in (
        "made documents, prompts",
        "samples 1,234/5,000 samples, 3.0/s, 20 min 55 s left",
        "engines 1 of 2 alive (1 loading, 1 working)",
        "waits samples: loading a-model, for 30 s",
        "kept 70% so far: the row filters let pass 180 of the last 256 samples",
        "cost 2.00 core-hours of engines; 4.50 at the prices of samples.price_per_*_hour",
        "earlier report: of an earlier config, until it is made anew",
    ):
        assert line in shown
    say(bucket, claim, replace(NOW, still=["samples: no samples for 5 min 0 s"]))
    assert main(["status", f"{bucket.url}/demo"]) == NOT_WELL
    say(bucket, claim, replace(NOW, format=99))
    assert main(["status", f"{bucket.url}/demo"]) == 0, "another version drives it"
    assert "how far it is was not said yet" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("state", "code", "words"),
    [
        (RunState.finished, 0, "finished after 10 min 0 s"),
        (RunState.failed, NOT_WELL, "failed after 10 min 0 s"),
        (RunState.refused, NOT_WELL, "ended with a message after"),
        (RunState.interrupted, NOT_WELL, "was interrupted after"),
        (RunState.out_of_time, NOT_WELL, "ended early after"),
    ],
)
def test_how_a_run_ended_is_told(
    bucket: Bucket, capsys: pytest.CaptureFixture[str], state: RunState, code: int, words: str
) -> None:
    claim = Claim.take(bucket.objects(), "demo/run.json", "node2/4711/other")
    claim.end(WHOLE | {"links": {"documents": "documents/cd"}})
    say(bucket, claim, replace(NOW, state=state, written=NOW.began + 600, message="the disk is full"))
    assert main(["status", f"{bucket.url}/demo", "--follow"]) == code, "one that is over is shown once"
    said = " ".join(capsys.readouterr().out.split())
    assert words in said
    assert "ago: the disk is full" in said
    assert "not made samples, examples, model" in said


def test_a_driver_that_gave_its_claim_back_and_said_nothing_more_has_ended_and_is_not_dead(
    bucket: Bucket, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim.take(bucket.objects(), "demo/run.json", "node2/4711/other")
    claim.end(WHOLE)
    say(bucket, claim, NOW)
    assert main(["status", f"{bucket.url}/demo"]) == 0
    assert "is about to end" in capsys.readouterr().out
    monkeypatch.setattr("engine.command_line.status_by_url.LEASE_SECONDS", -10.0)
    assert main(["status", f"{bucket.url}/demo", "--follow"]) == NOT_WELL, "one that has ended is shown once"
    said = " ".join(capsys.readouterr().out.split())
    assert "has ended (pid " in said
    assert "how is not known" in said
    assert "died" not in said
    assert "not made samples, examples, model" in said, "nothing of it is under way"
    assert "now samples" not in said
    assert main(["status", f"{bucket.url}/demo", "--json"]) == NOT_WELL
    assert json.loads(capsys.readouterr().out)["life"] == "has ended"


def test_a_driver_that_went_on_and_holds_its_claim_for_too_long_has_died(
    bucket: Bucket, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim.take(bucket.objects(), "demo/run.json", "node2/4711/other")
    claim.write(WHOLE)
    say(bucket, claim, NOW)
    monkeypatch.setattr("engine.command_line.status_by_url.LEASE_SECONDS", -10.0)
    assert main(["status", f"{bucket.url}/demo"]) == NOT_WELL
    assert "has died or is cut off" in capsys.readouterr().out


def test_who_follows_a_run_sees_how_it_ends(
    bucket: Bucket, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = Claim.take(bucket.objects(), "demo/run.json", "node2/4711/other")
    say(bucket, claim, NOW)

    def end(_seconds: float) -> None:
        claim.end(WHOLE)
        say(bucket, claim, replace(NOW, state=RunState.failed, message="ValueError: a defect"))

    monkeypatch.setattr("time.sleep", end)
    assert main(["status", f"{bucket.url}/demo", "--follow"]) == NOT_WELL
    said = capsys.readouterr().out
    assert said.index("goes on (pid") < said.index("ValueError: a defect")
