"""Row-wise filters in real Ray workers give what they give here, in the order of the parts."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.filters.blocks import Blocks, RowGroup, judge_here, judge_samples
from engine.filters.chain import FiltersConfig, filter_batch
from engine.filters.contract import prompt_words
from engine.runtime.cluster import ClusterConfig
from engine.storage.texts import TextWriter
from tests.support.paths import ROOT
from tests.support.places import quiet_place

PASSAGES = ["Bees dance in the hive to tell the way to the flowers.", "A pump moves water with an impeller."]
TEXTS = [
    "how do bees tell the way",
    "Query: pump",
    "dance in the hive to tell the way",
    "my good old demonstration",
    "?",
]


@pytest.mark.parametrize("block_rows", [3, 1000])
def test_workers_judge_as_the_plain_function_does(
    block_rows: int,
    tmp_path: Path,
    ray_session: None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("engine.filters.blocks.MIN_BLOCK_ROWS", block_rows)
    monkeypatch.setattr("engine.filters.blocks.MAX_BLOCK_ROWS", block_rows)
    count = 40
    columns = {
        "sample_id": range(0, 3 * count, 3),
        "status": ["generated" if row % 11 else "failed" for row in range(count)],
        "text": [TEXTS[row % len(TEXTS)] for row in range(count)],
        "logprob": pa.array([-row / 10 for row in range(count)], pa.float32()),
        "finish_reason": ["stop" if row % 7 else "length" for row in range(count)],
    }
    monkeypatch.chdir(tmp_path)  # which workers do not follow
    part = Path("part.parquet")
    pq.write_table(pa.table(columns), part, row_group_size=15)
    with TextWriter(tmp_path / "passages") as writer:
        writer.add(pa.array(PASSAGES))
    generated = [row for row in range(count) if row % 11]
    groups = [RowGroup(part, index, sum(row // 15 == index for row in generated)) for index in range(3)]
    ids = np.array([3 * row for row in generated])
    blocks = Blocks(groups, ids, np.array([row % 2 for row in generated]), Path("passages"))
    config, prompt = FiltersConfig(min_logprob=-3.5), prompt_words(["good old demonstration"])
    place = quiet_place(tmp_path, cluster=ClusterConfig(num_cpus=2))
    judged = pa.concat_tables(judge_samples(blocks, prompt, config, place))
    samples = pa.table(columns).take(generated)
    plain = filter_batch(samples, [PASSAGES[row % 2] for row in generated], prompt, config)
    assert judged.to_pylist() == plain.to_pylist()
    assert pa.concat_tables(judge_here(blocks, prompt, config)).to_pylist() == plain.to_pylist()
    rest = replace(blocks, judged_before=ids[5:20])
    assert len(rest) == len(ids) - 15
    left = [*range(5), *range(20, len(ids))]
    assert pa.concat_tables(judge_here(rest, prompt, config)).to_pylist() == plain.take(left).to_pylist()
    reasons = {"", "length", "copy", "prompt_leak", "format", "logprob", "cut_off"}
    assert set(judged["reason"].to_pylist()) == reasons
    assert "ray" not in "".join(capfd.readouterr()).lower(), "Ray Data keeps to its log file"


def test_a_worker_imports_little() -> None:
    heavy = {"ray", "omegaconf", "torch", "pandas"}
    code = f"import sys, engine.filters.blocks; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == []
