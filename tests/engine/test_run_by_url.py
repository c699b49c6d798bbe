"""Runs whose store and collection lie behind URLs, on one machine and then on another."""

import json
from pathlib import Path

import pytest

from engine.storage.remote.opening import runs_dir_here
from engine.sweeps.written import replacing
from tests.support.command_line import CommandLineHere
from tests.support.object_store import ENVIRONMENT, Bucket, every_store

SECRETS = [ENVIRONMENT[name] for name in ("AWS_SECRET_ACCESS_KEY", "GOOGLE_BEARER_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY")]


def texts_below(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file() and not file.is_symlink())


@every_store
def test_a_run_goes_on_where_another_machine_stopped(
    bucket: Bucket, synthmill_here: CommandLineHere, corpus: Path, tmp_path: Path
) -> None:
    bucket.use_models()
    for file in corpus.rglob("*.*"):
        bucket.objects().upload(f"input/corpus/{file.relative_to(corpus).as_posix()}", file)
    arguments = (
        *("experiment=adapt", "samples=fake", "prompts.per_passage=2", "until=samples", "tracking=off"),
        *(f"collection={bucket.url}/input/corpus", f"runs_dir={bucket.url}"),
    )
    done = synthmill_here.run(*arguments)
    assert done.returncode == 0, done.stderr
    assert f"{bucket.url}/adapt-corpus" in done.stdout
    claims = [key for key in bucket.all_keys() if key.endswith("/claim.json")]
    assert [key.split("/")[1] for key in claims] == ["documents", "prompts", "samples"]
    [last] = [key for key in bucket.all_keys() if "/open/" in key]
    assert "/manifest/" in last, "parts were shared, and are committed"

    here = runs_dir_here(bucket.url)
    bucket.use_cache(tmp_path / "elsewhere")
    bucket.use_models()
    seen = synthmill_here.run("status", f"{bucket.url}/adapt-corpus", "--json")
    assert seen.returncode == 0, seen.stderr
    known = json.loads(seen.stdout)
    assert (known["life"], known["status"]["state"]) == ("has ended", "finished")
    assert known["status"]["made"] == ["documents", "prompts", "samples"]
    assert known["made"]["generated"] > 0
    assert known["kept"]["of"] > 0
    again = synthmill_here.run(*arguments)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("unchanged: ") == len(claims)
    there = runs_dir_here(bucket.url)
    later = json.loads(synthmill_here.run("status", f"{bucket.url}/latest", "--json").stdout)
    assert later["made"] == known["made"], "the samples are not on this machine, and their record is known"
    assert later["status"]["began"] > known["status"]["began"]
    assert not [key for key in bucket.all_keys() if key.endswith("/starting.json")]
    assert (there / "adapt-corpus" / "samples").resolve().name == (here / "adapt-corpus" / "samples").resolve().name
    assert not list((there / "store" / "prompts").glob("*/plan*")), "nobody has read the plan"

    traced = synthmill_here.run("trace", f"{bucket.url}/latest", "0")
    assert traced.returncode == 0, traced.stderr
    assert "sample 0" in traced.stdout
    assert list((there / "store" / "prompts").glob("*/plan*")), "who traces a sample reads its plan"

    written = texts_below(tmp_path) + b"".join(
        document.body for key in bucket.all_keys() if (document := bucket.objects().read(key))
    )
    assert b"sample_id" in written
    for secret in SECRETS:
        assert secret.encode() not in written
        assert secret not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("bucket", "override", "what"),
    [
        ("s3", "runs_dir=s3://no-such-bucket-here/runs", "there is no such bucket"),
        ("gs", "runs_dir=gs://no-such-bucket-here/runs", "there is no such bucket"),
        ("s3", "runs_dir=ftp://bucket/runs", "is no store that synthmill can commit to"),
        ("s3", "collection=s3://no-such-bucket-here/docs", "there is no such bucket"),
        ("s3", "run_dir=s3://bucket/run", "does not lie below runs_dir"),
    ],
    indirect=["bucket"],
)
def test_mistakes_are_one_line(
    bucket: Bucket, synthmill_here: CommandLineHere, corpus: Path, override: str, what: str
) -> None:
    given = ("experiment=adapt", "samples=fake", f"collection={corpus}")
    refused = synthmill_here.run(*replacing(given, [override]))
    assert refused.returncode == 2
    assert what in refused.stderr
    assert refused.stderr.count("\n") == 1
    cleaned = synthmill_here.run("clean", bucket.url)
    assert (cleaned.returncode, cleaned.stderr.count("\n")) == (2, 1)
