"""How far several settings, or several runs, are from one of them, on the same queries.

In: values per query of each. Out: differences with their intervals (the bootstrap of `eval.significance`), and p of the
randomisation test, corrected by Holm for all that are compared (`eval.comparisons`). Where a choice rests on more than
one comparison, it goes by the corrected p.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from eval.comparisons import holm, randomisation_p
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap, DifferenceFigures

Name = TypeVar("Name", bound=Hashable)

LEVEL = 0.05
"""A difference is called significant where its corrected p is below this."""
SMALL = 0.02
"""A loss of so much nDCG@10 hardly shows; where an interval reaches further, a page says that little is known."""


@dataclass(frozen=True)
class Paired:
    """One mean beside another on the same queries."""

    difference: DifferenceFigures
    """This one minus the other; the interval is not corrected for the number of comparisons."""
    p: float
    """Two-sided p of the randomisation test."""
    p_holm: float
    """The same after Holm's correction; 1 where the two do not differ on any query."""

    @property
    def is_significant(self) -> bool:
        """Tells whether chance is ruled out, the number of comparisons considered."""
        return self.p_holm < LEVEL

    @property
    def trend(self) -> str:
        """Returns the word better or worse where the difference is significant, else the word unclear."""
        if not self.is_significant:
            return "unclear"
        return "better" if self.difference.mean > 0 else "worse"


def compare_differences(
    differences: Mapping[Name, Floats], clusters: Sequence[str], bootstrap: Bootstrap
) -> dict[Name, Paired]:
    """Compares each pair whose differences per query are given; differences of 0 alone are no test, and count as none.

    Args:
        differences: per query, each of shape (queries,), at least one query.
        clusters: the cluster of each query; those of one are drawn and turned together.
        bootstrap: how resamples are drawn; the randomisation test draws as many signs.
    """
    resampled = bootstrap.resample(differences, clusters)
    p_values = {
        name: randomisation_p(values, clusters, bootstrap.resamples, bootstrap.seed)
        for name, values in differences.items()
        if values.any()
    }
    corrected = holm(p_values)
    return {
        name: Paired(
            replace(resampled[name], limits=(-1.0, 1.0)).figures(), p_values.get(name, 1.0), corrected.get(name, 1.0)
        )
        for name in differences
    }


def compare_with(
    values: Mapping[Name, Floats], reference: Name, clusters: Sequence[str], bootstrap: Bootstrap
) -> dict[Name, Paired]:
    """Compares every other set of values with one of them; see `compare_differences`."""
    others = {name: column - values[reference] for name, column in values.items() if name != reference}
    return compare_differences(others, clusters, bootstrap)
