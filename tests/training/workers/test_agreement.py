"""What ranks decide together: real processes over gloo, that answer differently."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE_SECONDS
from training.workers.agreement import is_so_on_all_ranks, largest_on_all_ranks

CODE = """
import sys, torch
from torch import distributed
from training.workers.agreement import is_so_on_all_ranks, largest_on_all_ranks
rank, answers, meeting = int(sys.argv[1]), sys.argv[2], sys.argv[3]
distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=2)
for answer in answers.split(","):
    print(is_so_on_all_ranks(answer[rank] == "y", torch.device("cpu")))
print(largest_on_all_ranks(5 + rank, torch.device("cpu")))
"""


def test_all_ranks_get_one_answer_and_it_is_yes_where_all_say_so(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CODE]
    ranks = [
        subprocess.Popen([*command, str(rank), "yy,yn,ny,nn", str(tmp_path / "m")], cwd=ROOT, stdout=subprocess.PIPE)
        for rank in range(2)
    ]
    answers = [rank.communicate(timeout=PATIENCE_SECONDS)[0].decode().split() for rank in ranks]
    assert answers == [["True", "False", "False", "False", "6"]] * 2


@pytest.mark.parametrize("answer", [True, False])
def test_one_rank_asks_nobody(answer: bool) -> None:
    assert is_so_on_all_ranks(answer, torch.device("cpu")) is answer
    assert largest_on_all_ranks(int(answer), torch.device("cpu")) == answer
