"""What the earlier rounds of a run took (`samples.rounds`), beside its last one, which a report reads.

In: the record of the last samples step, and those of what it was made from. Out: the records of the steps of earlier
rounds, and what generation took in all rounds. The samples of a round hold the rows of those before it, and nothing of
the time that engines worked for them: that is in the records of their own steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from engine.artifacts.samples import EngineTime, Rates, SamplesRecord
from engine.storage.store import StepRecord
from engine.storage.typed import from_json_values

_NOUNS = ("prompts", "samples", "examples")
"""What is made once a round."""
Round = Mapping[str, StepRecord]
"""The records of the steps of a round, by noun."""


def earlier_rounds(samples: StepRecord, record_of: Callable[[str, str], StepRecord | None]) -> Sequence[Round] | None:
    """Finds the rounds before the one of a samples step: its plan was made from their examples.

    Args:
        samples: the record of the step.
        record_of: reads the record of a step by its noun and fingerprint; None where it is gone.

    Returns:
        The rounds, the newest first; None where a record is gone, so that nobody knows them.
    """
    rounds: list[Round] = []
    while fingerprint := samples.inputs.get("prompts"):
        prompts = record_of("prompts", fingerprint)
        if prompts is None:
            return None
        if "examples" not in prompts.inputs:
            break
        examples = record_of("examples", prompts.inputs["examples"])
        before = examples and record_of("samples", examples.inputs["samples"])
        planned = before and record_of("prompts", before.inputs["prompts"])
        if not (examples and before and planned):
            return None
        rounds.append(dict(zip(_NOUNS, (planned, before, examples), strict=True)))
        samples = before
    return rounds


def seconds_of_rounds(steps: Mapping[str, StepRecord], earlier: Sequence[Round]) -> dict[str, float]:
    """Returns the seconds of each step of a run, those of its earlier rounds included."""
    return {
        noun: round(step.seconds + sum(each[noun].seconds for each in earlier if noun in each), 3)
        for noun, step in steps.items()
    }


def in_all_rounds(last: SamplesRecord, earlier: Sequence[Round]) -> SamplesRecord:
    """Returns the record of the last samples step, whose rows are those of all rounds, with the time of all rounds."""
    records = [last, *(from_json_values(SamplesRecord, each["samples"].record) for each in earlier)]
    idle = [record.idle for record in records]
    known = [time for time in idle if time is not None]
    return replace(
        last,
        generation=_rates([record.generation for record in records]),
        cost=_summed([record.cost for record in records]),
        idle=_summed(known) if len(known) == len(idle) else None,
    )


def _summed(times: Sequence[EngineTime]) -> EngineTime:
    cpu_seconds, gpu_seconds = sum(time.cpu_seconds for time in times), sum(time.gpu_seconds for time in times)
    return EngineTime(round(cpu_seconds, 2), round(gpu_seconds, 2))


def _rates(rates: Sequence[Rates]) -> Rates:
    """Returns the rates over the seconds of all rounds; a round in which no engine wrote has none."""
    seconds = sum(each.seconds for each in rates)
    if len(rates) == 1 or not seconds:
        return rates[0]
    prompt_tokens = [each.prompt_tokens_per_second * each.seconds for each in rates]
    hits = sum(each.prefix_cache_hit_rate * tokens for each, tokens in zip(rates, prompt_tokens, strict=True))
    return Rates(
        samples_per_second=round(sum(each.samples_per_second * each.seconds for each in rates) / seconds, 3),
        prompt_tokens_per_second=round(sum(prompt_tokens) / seconds, 3),
        output_tokens_per_second=round(
            sum(each.output_tokens_per_second * each.seconds for each in rates) / seconds, 3
        ),
        prefix_cache_hit_rate=round(hits / sum(prompt_tokens), 4) if sum(prompt_tokens) else 0.0,
        requests=sum(each.requests for each in rates),
        engine_start_seconds=max(each.engine_start_seconds for each in rates),
        seconds=round(seconds, 2),
    )
