"""A run publishes at its end and tells so in a line; the same command uploads nothing twice."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from engine.publishing.publish import publish
from engine.publishing.target import Target
from tests.support.command_line import CommandLineHere, FinishedRun
from tests.support.hub import TOKEN, Hub
from tests.support.places import quiet_place


def test_a_model_that_the_report_does_not_advise_is_published_with_a_warning(
    hub: Hub, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "report").mkdir()
    report = {"decision": {"model": "tuned"}, "recommendation": {"choice": {"model": "base"}}}
    (tmp_path / "report" / "report.json").write_text(json.dumps(report))
    console = quiet_place(tmp_path).console
    publish(Target("me/small"), {"model": model, "report": tmp_path / "report"}, console)
    said = console.rich.file.getvalue()  # type: ignore[attr-defined]  # text in memory
    assert "the report advises the base and not the tuned model" in said
    assert f"{hub.url}/me/small: 5 files of 0.0 MB uploaded, 0 there already; private" in said
    assert TOKEN not in said
    publish(Target("me/small"), {"model": model}, console)
    assert "nothing to upload, 5 there already" in console.rich.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_run_publishes_its_model_and_search_and_writes_the_token_nowhere(
    finished_run: FinishedRun, synthmill_here: CommandLineHere, hub: Hub
) -> None:
    synthmill = replace(synthmill_here, folder=finished_run.synthmill.folder)
    done = synthmill.run(*finished_run.arguments, "publish=hub:small", "publish_system=true")
    assert done.returncode == 0, done.stderr
    repository = hub.repositories["me/small"]
    assert {"README.md", "model.safetensors", "modules.json"} <= set(repository.files)
    assert {"system/search.py", "system/system.json", "system/passages.jsonl"} <= set(repository.files)
    assert not {path.rpartition("/")[2] for path in repository.files} & {"record.json", "_DONE", "negatives.npy"}
    assert 'SentenceTransformer("me/small")' in repository.files["README.md"].decode()
    again = synthmill.run("publish", "run", "hub:me/small", "publish_system=true")
    assert "nothing to upload" in again.stdout
    assert repository.commits == 1
    written = [path for path in synthmill.folder.rglob("*") if path.is_file() and path.stat().st_size < 1 << 24]
    assert [path for path in written if TOKEN.encode() in path.read_bytes()] == []
    assert TOKEN not in done.stdout + done.stderr + again.stdout + again.stderr
    for content in repository.files.values():
        assert TOKEN.encode() not in content
        assert str(synthmill.folder).encode() not in content, "no path of this machine"
