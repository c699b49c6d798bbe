"""Where random draws begin: at another place for every start of the driver, every engine and every model in it.

In: the run's seed, and what tells one engine from all others. Out: the seed that it is loaded with. Two engines of one
seed would write the same text for the same prompt, and a resumed run once more what it has written already.

vLLM also takes a seed for each request. With those its CUDA sampler leaves FlashInfer for a slower path in PyTorch and
draws the noise of a batch row by row, so engines are seeded and requests are not.
"""

from __future__ import annotations

import hashlib

_SEED_BYTES = 4
"""vLLM seeds NumPy with the same number, which takes no more."""


def seed_from(*parts: int | str) -> int:
    """Makes a seed from 0 to 2**32 - 1, the same for the same parts in the same order, and another for others."""
    key = "\0".join(map(str, parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(key, digest_size=_SEED_BYTES).digest(), "big")
