"""Parts of a training process that can be looked at alone."""

from __future__ import annotations

import json
from pathlib import Path

from engine.models.precision import Precision, cpu_has_bf16, uses_bf16
from training.workers.worker import first_step, log_file


def test_bf16_is_chosen_by_the_cpu_flags(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("flags\t\t: fpu avx512f avx512_bf16\n")
    assert cpu_has_bf16(file)
    file.write_text("flags\t\t: fpu avx2\n")
    assert not cpu_has_bf16(file)
    assert not cpu_has_bf16(tmp_path / "none")
    assert uses_bf16(Precision.bf16)
    assert not uses_bf16(Precision.fp32)


def test_a_checkpoint_says_where_it_ends(tmp_path: Path) -> None:
    assert first_step(None) == 0
    (tmp_path / "trainer_state.json").write_text(json.dumps({"global_step": 40}))
    assert first_step(tmp_path) == 40
    assert log_file(tmp_path, 1).name == "training-1.log"
