"""Planted secrets are in nothing that a command writes: its run, its store, W&B, Ray's logs, sweeps, the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.command_line.main import main
from engine.command_line.written import mask_file, masked_yaml, printing_masked
from engine.storage import digests
from tests.support.command_line import CommandLine
from tests.support.corpus import write_corpus

PLANTED = b"planted-"
ARGUMENTS = "samples.engine_args={hf_token: planted-by-name, url: 'http://me:planted-in-a-url@host', dtype: float32}"


def files_with(folder: Path, text: bytes = PLANTED) -> list[Path]:
    """Files below a folder, and below what its links lead to, that hold a text in their content or their name."""
    files: set[Path] = set()
    for entry in folder.rglob("*"):
        files |= {entry} if not entry.is_symlink() else set(entry.resolve().rglob("*"))
    regular = [file for file in files if file.is_file()]
    assert regular
    return [file for file in regular if text in file.read_bytes() or text in str(file).encode()]


def test_a_run_writes_no_secret(synthmill: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "planted-in-the-environment")
    monkeypatch.setenv("WANDB_API_KEY", "planted-" * 5)
    monkeypatch.setenv("HOME", "/proc/nobody")  # and no library fails for want of a home
    monkeypatch.setenv("SYNTHMILL_CACHE", str(digests.CACHE))
    write_corpus(synthmill.folder / "corpus", 12)
    arguments = ("experiment=adapt", "samples=fake", "collection=corpus", "run_dir=run", "until=samples")
    done = synthmill.run(*arguments, "tracking=offline", ARGUMENTS, "+samples.engine_args.again='${oc.env:HF_TOKEN}'")
    assert done.returncode == 0, done.stderr
    assert "planted-" not in done.stdout + done.stderr
    assert files_with(synthmill.folder) == []
    assert files_with(synthmill.folder, b"hf_token"), "the config is kept"
    assert (synthmill.folder / "run" / "logs" / "ray" / "gcs_server.out").exists(), "Ray's logs were looked at"
    record = json.loads((synthmill.folder / "run" / "samples" / "record.json").read_text())
    assert record["config"]["engine_args"]["dtype"] == "float32"
    assert "hf_token" not in record["config"]["engine_args"]


def test_a_sweep_writes_no_secret(synthmill: CommandLine) -> None:
    write_corpus(synthmill.folder / "corpus", 12)
    arguments = ("experiment=adapt", "samples=fake", "collection=corpus", "until=prompts", "tracking=off")
    done = synthmill.run("-m", *arguments, "seed=1,2", "samples.engine_args.hf_token=planted-by-name")
    assert done.returncode == 0, done.stderr
    assert files_with(synthmill.folder) == []
    assert len(list(synthmill.folder.glob("runs/sweeps/adapt/*/config.yaml"))) == 2
    assert "hf_token: '***'" in (synthmill.folder / "runs" / "sweeps" / "multirun.yaml").read_text()


@pytest.mark.parametrize("what", ["job", "hydra", "all"])
def test_what_is_printed_of_a_config_has_no_secret(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment=demo", "--cfg", what, ARGUMENTS]) == 0
    out = capsys.readouterr().out
    assert "planted-" not in out
    assert "hf_token" in out


def test_an_error_names_the_override_without_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["experiment=demo", "samples.engine_args={hf_token: planted-by-name, a b}"]) == 2
    assert "hf_token: ***" in capsys.readouterr().err


def test_yaml_without_a_secret_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "b: 1e3\n# a remark\na: 'secret: told'\n"
    assert masked_yaml(text) == text
    (tmp_path / "x.yaml").write_text(text)
    mask_file(tmp_path / "x.yaml")
    mask_file(tmp_path / "none.yaml")
    assert (tmp_path / "x.yaml").read_text() == text
    with printing_masked():
        print("a: {api_key: planted}")  # noqa: T201
    assert capsys.readouterr().out == "a:\n  api_key: '***'\n"
