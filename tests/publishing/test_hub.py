"""What is asked of a hub before a run, and what an upload sends: each file once, all in one commit."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.publishing.contents import File, model_files
from engine.publishing.hub import reach, upload
from engine.publishing.target import Target
from tests.support.hub import TOKEN, Hub, Repository, use_hub

SMALL = Target("me/small")


def test_the_owner_is_that_of_the_token_unless_another_one_is_named(hub: Hub) -> None:
    assert reach(Target("small")).repo == "me/small"
    assert reach(Target("team/small")).repo == "team/small"
    assert hub.repositories == {}, "nothing is made before there is a model"
    with pytest.raises(UserError, match=r"^publish=hub:other/small: .* does not write for other; name one of me, team"):
        reach(Target("other/small"))


def test_without_a_token_nothing_is_asked(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_hub(hub, tmp_path, monkeypatch, token="")
    with pytest.raises(UserError, match=r"^publish=hub:me/small: there is no token for the hub; set HF_TOKEN"):
        reach(SMALL)
    assert hub.asked == []
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert reach(SMALL) == SMALL, "as `hf auth login` leaves it"


def test_a_token_that_cannot_write_is_refused_and_masked(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.role = "read"
    with pytest.raises(UserError, match="the token may only read"):
        reach(SMALL)
    use_hub(hub, tmp_path, monkeypatch, token="")
    (tmp_path / "token").write_text("hf_anotherSecret")
    with pytest.raises(UserError, match="did not take it") as caught:
        reach(SMALL)
    assert "hf_anotherSecret" not in str(caught.value)


def test_a_hub_that_is_not_there_is_told_in_one_line(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"^publish=hub:me/small: the hub at http://127\.0\.0\.1:9 did not take it"):
        reach(SMALL)


def test_a_repository_that_everybody_sees_is_taken_only_where_that_is_meant(hub: Hub) -> None:
    hub.repositories["me/small"] = Repository(private=False)
    with pytest.raises(UserError, match=r"everybody sees it; .*publish_private=false"):
        reach(SMALL)
    assert reach(replace(SMALL, is_private=False)).repo == "me/small"


def test_a_model_is_uploaded_once(hub: Hub, model: Path) -> None:
    files = model_files(model, "me/small")
    done = upload(SMALL, files)
    repository = hub.repositories["me/small"]
    assert repository.private
    assert set(repository.files) == {file.path for file in files}
    assert repository.files["model.safetensors"] == (model / "model.safetensors").read_bytes()
    assert (done.files, done.unchanged, done.is_private, repository.commits) == (5, 0, True, 1)
    assert done.num_bytes == sum(file.size for file in files)
    assert hub.tokens == {f"Bearer {TOKEN}"}
    again = upload(SMALL, files)
    assert (again.files, again.unchanged, again.num_bytes, repository.commits) == (0, 5, 0, 1)
    assert len(hub.received("PUT", "/storage/")) == 1
    (model / "config.json").write_text('{"changed": true}')
    changed = upload(SMALL, model_files(model, "me/small"))
    assert (changed.files, changed.unchanged, repository.commits) == (1, 4, 2)
    assert len(hub.received("PUT", "/storage/")) == 1, "the weights are there"


def test_an_upload_that_was_cut_off_sends_large_files_no_more(
    hub: Hub, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = model_files(model, "me/small")
    hub.refuses_commits = True
    with caplog.at_level(logging.DEBUG), pytest.raises(UserError, match="give the same command again") as caught:
        upload(SMALL, files)
    assert TOKEN not in str(caught.value), "the hub's answer has it"
    assert TOKEN not in caplog.text
    assert hub.repositories["me/small"].files == {}
    hub.refuses_commits = False
    assert upload(SMALL, files).files == 5
    assert len(hub.received("PUT", "/storage/")) == 1
    assert "model.safetensors" in hub.repositories["me/small"].files


def test_a_search_is_replaced_as_a_whole_and_is_no_part_of_a_model_without_one(hub: Hub, model: Path) -> None:
    files = model_files(model, "me/small")
    search = [
        File(f"system/{name}", name.encode()) for name in ("system.json", "encoder/model.safetensors", "offsets.npy")
    ]
    upload(SMALL, [*files, *search])
    reach(SMALL)
    without = upload(SMALL, files)
    assert (without.files, without.removed) == (0, 0), "the search that is there is whole by itself"
    fewer = upload(SMALL, [*files, search[0]])
    assert (fewer.files, fewer.removed) == (0, 2)
    assert {path for path in hub.repositories["me/small"].files if path.startswith("system/")} == {"system/system.json"}
    assert hub.repositories["me/small"].commits == 2
    hub.repositories["me/small"].files = {"system/notes.txt": b"mine"}
    upload(SMALL, [*files, *search])
    assert hub.repositories["me/small"].files["system/notes.txt"] == b"mine", "no search of ours was there"


def test_a_repository_that_was_made_public_meanwhile_gets_nothing(hub: Hub, model: Path) -> None:
    hub.repositories["me/small"] = Repository(private=True)
    reached = reach(SMALL)
    hub.repositories["me/small"].private = False
    with pytest.raises(UserError, match="everybody sees it"):
        upload(reached, model_files(model, "me/small"))
    assert hub.repositories["me/small"].files == {}


def test_the_repository_of_another_model_is_left_alone(hub: Hub, model: Path) -> None:
    others = {"adapter_model.safetensors": b"other weights", "LICENSE": b"theirs"}
    hub.repositories["me/small"] = Repository(private=True, files=dict(others))
    with pytest.raises(UserError, match=r"weights of a model that was not trained here: adapter_model\.safetensors"):
        upload(SMALL, model_files(model, "me/small"))
    with pytest.raises(UserError, match=r"weights of a model that was not trained here: adapter_model\.safetensors"):
        reach(SMALL)
    assert hub.repositories["me/small"].files == others
    del hub.repositories["me/small"].files["adapter_model.safetensors"]
    upload(SMALL, model_files(model, "me/small"))
    assert hub.repositories["me/small"].files["LICENSE"] == b"theirs"


@pytest.mark.parametrize("weights", ["2_Dense/model.safetensors", "model-00001-of-00002.safetensors"])
def test_weights_that_an_upload_would_meet_after_hours_are_refused_before_them(hub: Hub, weights: str) -> None:
    hub.repositories["me/small"] = Repository(private=True, files={weights: b"theirs", "README.md": b"# Theirs"})
    with pytest.raises(UserError, match=f"not trained here: {weights}"):
        reach(SMALL)
    hub.repositories["me/small"].files = {"model.safetensors": b"theirs", "README.md": b"# Theirs"}
    assert reach(SMALL) == SMALL, "that one is replaced"


def test_weights_of_an_earlier_model_go_with_the_commit_of_the_next_one(hub: Hub, model: Path) -> None:
    (model / "README.md").write_text("---\ntags:\n- synthmill\n---\n# A model\n")
    files = model_files(model, "me/small")
    earlier = {
        "2_Dense/model.safetensors": b"weights",
        "model-00001-of-00002.safetensors": b"weights",
        "model.safetensors.index.json": b"{}",
        "notes.txt": b"mine",
    }
    upload(SMALL, files)
    hub.repositories["me/small"].files |= earlier
    assert reach(SMALL) == SMALL, "a training wrote its card"
    done = upload(SMALL, files)
    assert (done.files, done.removed, hub.repositories["me/small"].commits) == (0, 3, 2)
    assert set(hub.repositories["me/small"].files) == {file.path for file in files} | {"notes.txt"}


@pytest.mark.parametrize(
    "weights", ["adapter_model.safetensors", "mine/model.safetensors", "2_Dense/old/model.safetensors"]
)
def test_weights_that_nobody_would_load_are_not_removed_whatever_the_card_says(
    hub: Hub, model: Path, weights: str
) -> None:
    (model / "README.md").write_text("---\ntags:\n- synthmill\n---\n# A model\n")
    files = model_files(model, "me/small")
    upload(SMALL, files)
    hub.repositories["me/small"].files[weights] = b"mine"
    with pytest.raises(UserError, match=f"not trained here: {weights}"):
        reach(SMALL)
    with pytest.raises(UserError, match=f"not trained here: {weights}"):
        upload(SMALL, files)
    assert hub.repositories["me/small"].files[weights] == b"mine"
