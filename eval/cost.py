"""What generation cost: tokens, engine time, money; and the forecast beside what it then was. Pure functions.

In: the totals of engines, the records of the prompts and samples steps, prices. Out: plain JSON values. A figure that
cannot be known (no price, a record of an older version) is None, never a guess.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Prices:
    """Of an hour; 0 where unknown."""

    per_gpu_hour: float = 0.0
    per_cpu_hour: float = 0.0


def price_of(time: Mapping[str, float | None], prices: Prices) -> float | None:
    """What engine time costs; None where the price of a processor that was used is unknown.

    An hour of a GPU is taken to include the cores that drive it, unless cores have a price of their own.
    """
    cpu, gpu = time.get("cpu_seconds"), time.get("gpu_seconds")
    if cpu is None or gpu is None or (gpu and not prices.per_gpu_hour) or (not gpu and not prices.per_cpu_hour):
        return None
    return round((gpu * prices.per_gpu_hour + cpu * prices.per_cpu_hour) / _SECONDS_PER_HOUR, 6)


def cost_figures(
    prompts: Mapping[str, Any], samples: Mapping[str, Any], kept: int, max_tokens: int | None, prices: Prices
) -> dict[str, Any]:
    """The forecast beside what it then was, and what a kept example cost.

    Args:
        prompts: record of the prompts step: planned, prompt_tokens.
        samples: record of the samples step: generated, prompt_tokens, output_tokens, cost.
        kept: kept examples.
        max_tokens: output tokens of a sample at most; the forecast assumes that each uses them all.
        prices: of processors.
    """
    planned = prompts.get("planned")
    time = {name: samples.get("cost", {}).get(name) for name in ("cpu_seconds", "gpu_seconds")}
    price = price_of(time, prices)
    prompt_tokens, output_tokens = samples.get("prompt_tokens"), samples.get("output_tokens")
    tokens = None if prompt_tokens is None or output_tokens is None else prompt_tokens + output_tokens
    return {
        "forecast": {
            "samples": planned,
            "prompt_tokens": prompts.get("prompt_tokens"),
            "output_tokens": planned * max_tokens if planned is not None and max_tokens is not None else None,
        },
        "real": {"samples": samples.get("generated"), "prompt_tokens": prompt_tokens, "output_tokens": output_tokens},
        "cpu_seconds": time["cpu_seconds"],
        "gpu_seconds": time["gpu_seconds"],
        "price": price,
        "kept": kept,
        "tokens_per_kept": round(tokens / kept, 1) if tokens is not None and kept else None,
        "price_per_1000_kept": round(1000 * price / kept, 6) if price is not None and kept else None,
    }
