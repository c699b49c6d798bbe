"""Parts of a training process that can be looked at alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT
from training.workers.worker import first_step


def test_a_checkpoint_says_where_it_ends(tmp_path: Path) -> None:
    assert first_step(None) == 0
    (tmp_path / "trainer_state.json").write_text(json.dumps({"global_step": 40}))
    assert first_step(tmp_path) == 40


def test_all_output_of_a_worker_goes_to_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "training-0.log"
    code = (
        "import logging, os, sys; from pathlib import Path; from training.workers.worker import _log_to\n"
        f"_log_to(Path({str(log)!r}))\n"
        "print('printed', flush=True); os.system('echo from a child'); logging.info('logged')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert all(part in log.read_text() for part in ("printed", "from a child", "root logged"))
