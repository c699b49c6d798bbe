"""How a run joins Ray: cores, and an environment in which nothing phones home; Ray itself is started by other tests."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.errors import UserError
from engine.runtime import cluster
from engine.runtime.cluster import (
    LEAST_STORE_BYTES,
    QUIET_ENVIRONMENT,
    ClusterConfig,
    memory_bytes,
    quiet,
    temp_folder,
    worker_environment,
)
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


def test_the_object_store_has_a_size_that_ray_takes() -> None:
    for size, said in ((0, "too few"), (LEAST_STORE_BYTES - 1, "too few"), (memory_bytes() + 1, "of memory in all")):
        with pytest.raises(UserError, match=said) as caught:
            ClusterConfig(object_store_bytes=size)
        assert caught.value.where == f"cluster.object_store_bytes={size}"
    assert ClusterConfig(object_store_bytes=LEAST_STORE_BYTES).object_store_bytes == LEAST_STORE_BYTES
    elsewhere = ClusterConfig(address="auto", object_store_bytes=memory_bytes() + 1)
    assert elsewhere.object_store_bytes > memory_bytes(), "the memory of another machine is not known"


def test_a_large_object_store_must_fit_into_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE", raising=False)
    monkeypatch.setattr(cluster, "memory_bytes", lambda: 10**12)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=10**8))
    assert ClusterConfig(object_store_bytes=10**10).object_store_bytes == 10**10, "Ray takes the disk"
    with pytest.raises(UserError, match="/dev/shm has 100000000 bytes free"):
        ClusterConfig(object_store_bytes=10**10 + 1)
    monkeypatch.setenv("RAY_OBJECT_STORE_ALLOW_SLOW_STORAGE", "1")
    assert ClusterConfig(object_store_bytes=10**11).object_store_bytes == 10**11


def test_the_sizes_are_those_of_ray() -> None:
    from ray._private import ray_constants

    assert LEAST_STORE_BYTES == ray_constants.OBJECT_STORE_MINIMUM_MEMORY_BYTES
    assert cluster._STORE_BYTES_ON_DISK == ray_constants.REQUIRE_SHM_SIZE_THRESHOLD


def test_knows_the_memory_as_ray_does() -> None:
    from ray._common.utils import get_system_memory

    assert memory_bytes() == get_system_memory()


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_long_folder_for_temporary_files_is_not_for_sockets(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    for name in ("TMPDIR", "RAY_TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    assert temp_folder() is None
    monkeypatch.setenv(variable, "/" + "x" * 34)
    assert temp_folder() is None
    monkeypatch.setenv(variable, "/" + "x" * 60)
    assert temp_folder() == "/tmp/ray"
    monkeypatch.setattr(cluster, "_SHORT_TEMP", cluster.Path("/proc/nowhere"))
    with pytest.raises(UserError, match="61 bytes long") as caught:
        temp_folder()
    assert caught.value.where == f"{variable}=/{'x' * 60}"
    assert "RAY_TMPDIR to a folder of at most 36 bytes" in caught.value.remedy


def test_workers_get_no_secret_of_the_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "planted-secret")
    quiet()
    assert "planted" not in str(worker_environment())
    assert set(QUIET_ENVIRONMENT) <= set(worker_environment()["env_vars"])


def test_ray_needs_no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    cluster._give_token()
    assert "RAY_AUTH_TOKEN" not in os.environ, "Ray finds it in the home folder"
    [file] = (tmp_path / ".ray").iterdir()
    token = file.read_text()
    assert (file.name, len(token), file.stat().st_mode & 0o777) == ("auth_token", 64, 0o600)
    file.chmod(0o644)  # as Ray itself leaves it
    cluster._give_token()
    assert (file.read_text(), file.stat().st_mode & 0o777) == (token, 0o600)
    monkeypatch.setenv("HOME", "/proc/nobody")
    for name, value in (("RAY_AUTH_TOKEN_PATH", "file"), ("RAY_AUTH_MODE", "disabled")):
        monkeypatch.setenv(name, value)
        cluster._give_token()
        assert "RAY_AUTH_TOKEN" not in os.environ, "the user has chosen"
        monkeypatch.delenv(name)
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    cluster._give_token()
    assert len(os.environ.pop("RAY_AUTH_TOKEN")) == 64


TERMINATED = """
import os, signal, sys, threading, time
from pathlib import Path
from engine.runtime.cluster import ClusterConfig, start_ray
def interrupt(*_):
    raise KeyboardInterrupt
def terminate():
    while signal.getsignal(signal.SIGTERM) is interrupt:
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGTERM)
signal.signal(signal.SIGTERM, interrupt)
threading.Thread(target=terminate, daemon=True).start()
try:
    start_ray(ClusterConfig(num_cpus=1, object_store_bytes=80 * 2**20), Path(sys.argv[1]))
except KeyboardInterrupt:
    print(signal.getsignal(signal.SIGTERM) is interrupt)
"""
"""A process that gets a SIGTERM as soon as Ray, which it starts, has put a handler of its own there."""


@pytest.mark.slow
def test_a_sigterm_while_ray_starts_is_answered_as_before(tmp_path: Path) -> None:
    command, environment = [sys.executable, "-c", TERMINATED, str(tmp_path)], os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr


def test_a_ray_that_does_not_start_in_time_is_one_line() -> None:
    """Ray waits for half a minute and raises this; other errors stay what they are."""
    with pytest.raises(UserError, match="did not start in time"), cluster._naming_a_slow_start():
        raise Exception("The current node timed out during startup. This could happen because ...")  # noqa: TRY002
    with pytest.raises(ValueError, match="another"), cluster._naming_a_slow_start():
        raise ValueError("another")
