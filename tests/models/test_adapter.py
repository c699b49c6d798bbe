"""Adapters: what is refused, and what identifies one; tests/generation/test_load.py has vLLM write with two."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.errors import UserError
from engine.generation.vllm_generator import lora_arguments
from engine.models.adapter import adapter_digest, adapter_rank, resolve_adapter
from engine.runtime.identity import identity_of
from engine.samples.config import SamplesConfig
from tests.support.adapters import MODEL, write_adapter


def test_a_folder_without_an_adapters_config_is_refused(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    assert resolve_adapter(str(adapter)) == adapter.resolve()
    (adapter / "adapter_config.json").unlink()
    with pytest.raises(UserError, match=r"holds no adapter_config\.json") as caught:
        resolve_adapter(str(adapter))
    assert caught.value.where == f"samples.lora={adapter}"


def test_an_adapter_without_weights_is_refused(tmp_path: Path) -> None:
    adapter = write_adapter(tmp_path / "adapter")
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(UserError, match="holds no weights"):
        resolve_adapter(str(adapter))


@pytest.mark.parametrize("rank", [None, 0, 600, "8"])
def test_a_rank_that_vllm_cannot_hold_is_refused(tmp_path: Path, rank: Any) -> None:
    with pytest.raises(UserError, match="has the rank"):
        resolve_adapter(str(write_adapter(tmp_path / "adapter", rank=rank)))


@pytest.mark.parametrize(("rank", "room"), [(1, 1), (4, 8), (16, 16), (300, 320)])
def test_the_engine_makes_room_for_the_next_rank_it_knows(tmp_path: Path, rank: int, room: int) -> None:
    adapter = write_adapter(tmp_path / "adapter", rank=rank)
    assert adapter_rank(adapter) == room
    assert lora_arguments(str(adapter)) == {"enable_lora": True, "max_loras": 1, "max_lora_rank": room}
    assert lora_arguments("") == {}


def test_what_an_adapter_holds_is_identity_and_where_it_lies_is_not(tmp_path: Path) -> None:
    one, same = write_adapter(tmp_path / "one"), write_adapter(tmp_path / "same")
    other = write_adapter(tmp_path / "other", scale=2.0)
    assert adapter_digest(str(one)) == adapter_digest(str(same)) != adapter_digest(str(other))
    plain = SamplesConfig(seed=0)
    with_one, with_same = (replace(plain, lora=str(folder)) for folder in (one, same))
    assert identity_of(with_one) == identity_of(with_same) != identity_of(plain)
    assert with_one.model_name() == f"{MODEL}+{one}"
