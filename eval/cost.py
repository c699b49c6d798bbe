"""Works out what generation cost: tokens, engine time and money, beside what was forecast. All functions are pure.

In: the records of the prompts and samples steps, prices. Out: a Cost. A figure that cannot be known
(without a price, without a limit of output tokens) is None, never a guess.
"""

from __future__ import annotations

from dataclasses import dataclass

from engine.artifacts.prompts import PromptsRecord
from engine.artifacts.samples import EngineTime, SamplesRecord

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Amounts:
    """How much was generated, or was forecast; None where it is not known."""

    samples: int | None
    prompt_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True)
class Cost:
    """What generation cost; a figure that cannot be known is None."""

    forecast: Amounts
    """The forecast of planning, in which every sample uses all the output tokens that it may."""
    real: Amounts
    """The amounts that the engines really read and wrote."""
    cpu_seconds: float | None
    """Seconds of engine time, summed over the cores that engines held."""
    gpu_seconds: float | None
    """Seconds of engine time, summed over the GPUs that engines held."""
    price: float | None
    """Price of that time, in the currency of the configured prices."""
    kept: int | None
    """Number of kept examples."""
    tokens_per_kept: float | None
    """Prompt and output tokens of all samples, divided by the number of kept examples."""
    price_per_1000_kept: float | None
    """Price of a thousand kept examples."""


@dataclass(frozen=True)
class Prices:
    """Prices of an hour of a processor, in one currency; 0 where unknown."""

    per_gpu_hour: float = 0.0
    per_cpu_hour: float = 0.0


def price_of(time: EngineTime, prices: Prices) -> float | None:
    """Computes what engine time costs; None where the price of a processor that was used is unknown.

    An hour of a GPU is taken to include the cores that drive it, unless cores have a price of their own.
    """
    price_per_hour = prices.per_gpu_hour if time.gpu_seconds else prices.per_cpu_hour
    if not price_per_hour:
        return None
    gpu, cpu = time.gpu_seconds * prices.per_gpu_hour, time.cpu_seconds * prices.per_cpu_hour
    return round((gpu + cpu) / _SECONDS_PER_HOUR, 6)


def cost_figures(
    prompts: PromptsRecord, samples: SamplesRecord, kept: int, max_tokens: int | None, prices: Prices
) -> Cost:
    """Puts the forecast beside the real amounts, and computes what a kept example cost.

    Args:
        prompts: what planning recorded.
        samples: what generation recorded.
        kept: number of kept examples.
        max_tokens: output tokens of a sample at most; the forecast assumes that each uses them all.
        prices: of processors.
    """
    price = price_of(samples.cost, prices)
    tokens = samples.prompt_tokens + samples.output_tokens
    return Cost(
        forecast=Amounts(
            samples=prompts.planned,
            prompt_tokens=prompts.prompt_tokens + prompts.later_prompt_tokens,
            output_tokens=None if max_tokens is None else prompts.planned * max_tokens,
        ),
        real=Amounts(samples.generated, samples.prompt_tokens, samples.output_tokens),
        cpu_seconds=samples.cost.cpu_seconds,
        gpu_seconds=samples.cost.gpu_seconds,
        price=price,
        kept=kept,
        tokens_per_kept=round(tokens / kept, 1) if kept else None,
        price_per_1000_kept=round(1000 * price / kept, 6) if price is not None and kept else None,
    )
