"""One Weights & Biases run for all starts of a run folder, with a section per noun; offline by default.

In: the calls of a tracker. Out: RUN/tracking/wandb, a folder for each start, all with the id of one run: `wandb sync`
plays them in their order, and the server shows one run. Steps of W&B, which a run may not repeat, begin at another
million in each start; curves go by `noun/step`. What W&B would note of the machine, the command and the git remote by
itself is left out: a command may hold a token.
"""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Sequence
from typing import Any

from engine.runtime.trackers.lazy import LazyTracker
from engine.runtime.tracking import Finished, Mode, Outcome

_STEPS_OF_A_START = 1_000_000
_FOLDERS = {name: os.environ.get(name, "") for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR")}
"""Where W&B copies tables to that are to be sent, and keeps a log of its own, as the user has set it: it would choose
the home folder."""


class WandbTracker(LazyTracker):
    """A W&B run."""

    _run: Any = None

    def _open(self) -> None:
        import wandb

        self._curves = set[str]()

        for variable, chosen in _FOLDERS.items():
            os.environ[variable] = chosen or str(self.folder / "data")
        run_id = self.kept_id("wandb_id", lambda: secrets.token_hex(4))
        earlier = len(list((self.folder / "wandb").glob(f"*run-*-{run_id}")))
        self._steps = itertools.count(earlier * _STEPS_OF_A_START)
        is_offline = self.config.mode is Mode.offline
        self._run = wandb.init(
            mode="offline" if is_offline else "online",
            id=run_id,
            resume=None if is_offline else "allow",
            project=self.config.project,
            name=self.name,
            group=self.config.group or None,
            dir=str(self.folder),
            config=self.run_config,
            settings=wandb.Settings(console="off", silent=True, x_disable_stats=True, x_disable_machine_info=True),
        )

    def _log(self, point: dict[str, float], noun: str, step: int) -> None:
        if noun not in self._curves:  # parts of a run have curves under their names
            self._run.define_metric(f"{noun}/*", step_metric=f"{noun}/step")
            self._curves.add(noun)
        self._run.log({**point, f"{noun}/step": step}, step=next(self._steps))

    def _summary(self, values: dict[str, Any]) -> None:
        self._run.summary.update(values)

    def _table(self, name: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        import wandb

        table = wandb.Table(columns=list(columns), data=[list(row) for row in rows], allow_mixed_types=True)
        self._run.log({name: table}, step=next(self._steps))

    def _artifact(self, finished: Finished) -> None:
        """Tracks a folder by its fingerprint; its inputs are named as their artifacts are, which is the lineage.

        Its files are not copied: the store never changes them, and `wandb sync` sends them from there.
        """
        import wandb

        kind = finished.entry.rpartition("/")[2]
        inputs = {noun: f"{noun}-{fingerprint}" for noun, fingerprint in finished.inputs.items()}
        metadata = {"fingerprint": finished.fingerprint, "inputs": inputs}
        artifact = wandb.Artifact(finished.name, type=kind, metadata=metadata)
        for name, file in finished.files().items():
            artifact.add_file(str(file), name, policy="immutable", skip_cache=True)
        self._run.log_artifact(artifact)

    def _close(self, outcome: Outcome) -> None:
        self._run.finish(exit_code=outcome.value)


def has_login() -> bool:
    """Tells whether W&B knows who its user is on this machine."""
    import wandb

    return bool(wandb.login(prompt=False, verify=False))
