"""How a run joins Ray: cores, and an environment in which nothing phones home; Ray itself is started by other tests."""

import json
import os
import subprocess
import sys

import pytest

from engine.runtime.cluster import QUIET_ENVIRONMENT, ClusterConfig, quiet
from tests.support.paths import ROOT


def test_turns_off_every_telemetry(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in QUIET_ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    quiet()
    wanted = {
        "RAY_USAGE_STATS_ENABLED": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_DO_NOT_TRACK": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "WANDB_ERROR_REPORTING": "false",
    }
    assert {name: os.environ[name] for name in wanted} == wanted


def test_what_the_user_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_DEDUP_LOGS", "1")
    quiet()
    assert os.environ["RAY_DEDUP_LOGS"] == "1"


def test_the_libraries_listen_to_it() -> None:
    code = (
        "from engine.runtime.cluster import quiet; quiet(); import json\n"
        "from ray._common.usage.usage_lib import usage_stats_enabled\n"
        "from huggingface_hub import constants\n"
        "print(json.dumps([usage_stats_enabled(), constants.HF_HUB_DISABLE_TELEMETRY]))"
    )
    environment = {name: value for name, value in os.environ.items() if name not in QUIET_ENVIRONMENT}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [False, True]


def test_the_command_line_is_quiet_before_anything_is_imported() -> None:
    code = (
        "import sys, os\nfrom engine.__main__ import main\nmain(['--help'])\n"
        "sys.exit(0 if os.environ['RAY_USAGE_STATS_ENABLED'] == '0' and 'ray' not in sys.modules else 1)"
    )
    environment = {name: value for name, value in os.environ.items() if name not in QUIET_ENVIRONMENT}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0


def test_counts_the_cores_that_it_may_use() -> None:
    here = len(os.sched_getaffinity(0))
    assert ClusterConfig().cpus_here() == here
    assert ClusterConfig(num_cpus=3).cpus_here() == 3
    one = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{one}}})\n"
        "from engine.runtime.cluster import ClusterConfig; print(ClusterConfig().cpus_here())"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
