"""An engine loop in a thread, with a generator that notes what is asked of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.artifacts.prompts import PlannedRow
from engine.artifacts.samples import SamplesFolder
from engine.generation.config import GeneratorConfig, GeneratorKind
from engine.generation.fake_generator import FakeGenerator
from engine.generation.generator import Finished, Request
from engine.generation.jobs import GenerationJob, Ticket
from engine.generation.loop import EngineLoop
from engine.generation.totals import EngineTotals
from engine.task.compiled import Prompts
from engine.task.config import TaskConfig
from engine.task.render import Demonstration
from tests.support.committed import begin
from tests.support.waiting import PATIENCE_SECONDS

CONFIG = GeneratorConfig(generator=GeneratorKind.fake, seed=0, max_num_seqs=8)
TASK = TaskConfig(
    demonstration="P: {{ demonstration.document }}\nQ: {{ demonstration.query }}\n",
    prompt="P: {{ passage.title }} {{ passage.text }}\nQ {{ condition.form }}:",
    stop=["\n"],
)
SETS = [[Demonstration(f"document {number}", f"query {number}")] for number in range(4)]
PROMPTS = Prompts(TASK, SETS)


def row(sample_id: int, **values: Any) -> PlannedRow:
    """A planned row of TASK with a passage of its own; `values` are fields that differ."""
    fields: dict[str, Any] = {
        "passage_id": f"p{sample_id}",
        "cell": "form=question",
        "replicate": 0,
        "round": 0,
        "demonstration_set": 0,
        "demonstrations": "0",
        "prefix": 0,
        "prompt_tokens": 20,
        "title": f"Title {sample_id}",
        "text": f"Something worth asking about number{sample_id}, with several longer words.",
    }
    fields |= values
    return PlannedRow(sample_id, conditions={"form": fields["cell"].removeprefix("form=")}, **fields)


class Watched(FakeGenerator):
    """The fake generator with a list of what was asked of it; every request takes `delay` steps."""

    def __init__(self, config: GeneratorConfig, delay: int = 1) -> None:
        super().__init__(config)
        self.events: list[Request | int] = []
        self.threads: set[int] = set()
        self._delay = delay
        self._ages: dict[str, int] = {}

    def add(self, request: Request) -> str:
        self.threads.add(threading.get_ident())
        hashed = super().add(request)
        self.events.append(request)
        return hashed

    def step(self) -> list[Finished]:
        self.threads.add(threading.get_ident())
        self.events.append(len(self._waiting))
        for request, _ in self._waiting:
            self._ages[request.request_id] = self._ages.get(request.request_id, 0) + 1
        old = [entry for entry in self._waiting if self._ages[entry[0].request_id] >= self._delay]
        young = [entry for entry in self._waiting if entry not in old]
        self._waiting = old
        finished = super().step()
        self._waiting += young
        return finished

    def requests(self) -> list[Request]:
        return [event for event in self.events if isinstance(event, Request)]

    def before_step(self, number: int) -> list[Request]:
        """Requests admitted before step `number` (from 1)."""
        steps = [index for index, event in enumerate(self.events) if isinstance(event, int)]
        return [event for event in self.events[: steps[number - 1]] if isinstance(event, Request)]


class Running:
    """A loop in its thread."""

    def __init__(self, folder: Path, config: GeneratorConfig, generator: FakeGenerator, prompts: Prompts) -> None:
        self.folder, self.config = folder, config
        self.parts = begin(folder)
        self.attempt = self.parts.attempt_folder
        self.loop = EngineLoop(config, 5)
        self.errors: list[BaseException] = []
        self.job = GenerationJob(prompts, 1, self.attempt, ["form"])
        self.thread = threading.Thread(target=self._run, args=(generator,), daemon=True)
        self.thread.start()
        finished(self.loop.hand_in(self.job))

    def _run(self, generator: FakeGenerator) -> None:
        try:
            self.loop.run(generator)
        except BaseException as error:  # shown by the test that waits
            self.errors.append(error)

    def write(self, *units: list[PlannedRow]) -> list[dict[str, Any]]:
        """Hands in all units, waits until they are written, ends the loop; returns what is committed."""
        for ticket in [self.loop.hand_in(list(unit)) for unit in units]:
            finished(ticket)
        self.end()
        self.parts.list_new()
        return SamplesFolder(self.folder).rows().to_pylist()

    def end(self) -> EngineTotals:
        self.loop.stop()
        self.thread.join(PATIENCE_SECONDS)
        assert not self.thread.is_alive()
        if self.errors:
            raise self.errors[0]
        return self.loop.totals()


def finished(ticket: Ticket) -> None:
    assert ticket.done.wait(PATIENCE_SECONDS), "the loop has stalled"


Start = Callable[..., Running]
