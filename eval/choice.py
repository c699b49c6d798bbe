"""Chooses how to search: words, meaning or both, and with which weight; judged queries take part where there are any.

In: what each weight of words reaches on synthetic queries, whole and thinned (`eval.retrieval.thinned`); what real
queries show without judgements; judged queries where there are any. Out: the weight, what it gains over words alone and
meaning alone, and whether the tuned encoder is worth its place.

Synthetic queries repeat the words of their document, each set less than the one before it. Real queries are taken for a
mixture of these sets. What share each has is seen from the real queries alone: the fewer words a query has in common
with what answers it, the fewer passages do words and meaning both find. The shares are those under which the agreement
of the two systems on the real queries is most likely (`eval/mixture.py`). Without real queries they are equal.
Then the weight is the best for the mixture, or one as good that is nearer to one half. An encoder that cannot read the
collection disagrees with words on every set alike, and its nDCG@10 on all of them tells so.

Judged queries are averaged with the mixture, which counts as `_SYNTHETIC_QUERIES` of them, so that a few judged queries
move the choice a little, and many decide it. All constants were chosen on CACM and the development half of python_docs;
docs/results.md has what they reach elsewhere. Figures on queries that took part in a choice flatter it: `crossfit.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from eval.mixture import mixture
from eval.report import Choice
from eval.retrieval.metrics import Floats
from eval.significance import Bootstrap, DifferenceFigures, Resampled, cluster_totals
from eval.weights import WEIGHTS, WeightCurves

THINNING = (0.0, 0.5, 0.75, 1.0)
"""The share of the words in common with its document that each set of synthetic queries lacks."""
_SYNTHETIC_QUERIES = 60
HALF = 0.5
"""The weight that is taken where nothing speaks against it: right or nearly so for most collections."""
_TOLERATED_ERRORS = 0.5
_SMOOTHED_STEPS = 2
"""The neighbours on either side, of `WEIGHTS`, that a smoothed value is the mean of."""
_END_STEPS = 3
"""How far from words alone, in `WEIGHTS`, all weights may be that are as good for words alone to be taken."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known about one pair of systems, words and meaning.

    Attributes:
        synthetic: the curves of the same n queries, thinned by each of `THINNING`.
        agreement: the agreement of both systems on queries of people, judged or not, (m,); none where m is 0.
        judged: the curves of judged queries; None where there are none.
    """

    synthetic: Sequence[WeightCurves]
    agreement: Floats
    judged: WeightCurves | None = None

    @cached_property
    def shares(self) -> Floats:
        """Returns the share of real queries that is like each set of synthetic ones; together 1."""
        return mixture(self.agreement, [curves.agreement for curves in self.synthetic])

    def without(self, fold: int) -> Evidence:
        """Returns what is known without the queries of one fold; texts of real ones, which hold no judgement, stay."""
        judged = self.judged.without(fold) if self.judged else None
        synthetic = [curves.without(fold) for curves in self.synthetic]
        return Evidence(synthetic, self.agreement, judged if judged and len(judged.values) else None)

    def expected(self) -> Floats:
        """Returns what each weight reaches on each synthetic query, averaged over the sets by their shares, (n, w).

        Thinned queries are hard, so that differences on them are small. Where there are judged queries, values are
        scaled to reach at best as much as on these, unless that is nothing.
        """
        values = np.asarray(np.tensordot(self.shares, np.stack([curves.values for curves in self.synthetic]), 1))
        highest = values.mean(axis=0).max()
        level = self.judged.values.mean(axis=0).max() if self.judged else 0.0
        return np.asarray(values * level / highest) if level and highest else values

    def means(self) -> Floats:
        """Returns what each weight reaches on average, (w,)."""
        means = np.asarray(np.mean(self.expected(), axis=0), np.float64)
        if self.judged is not None:
            share = _share_of_judged(len(self.judged.values))
            means = share * self.judged.values.mean(axis=0) + (1 - share) * means
        return np.asarray(means)

    def best(self, *, inside: bool = False) -> int:
        """Returns the number of the weight to use: of those that are as good as the best, the nearest to one half.

        Where all of these lie beside words alone, and that is among them, it is taken: an encoder and its vectors are
        what costs most.

        The curve is smoothed first, since its true shape is smooth and its jags are chance. A weight is as good when it
        lies no more than `_TOLERATED_ERRORS` standard errors of the difference below the best one.

        Args:
            inside: takes the best of the weights that leave out neither words nor meaning.
        """
        if not len(self.synthetic[0].values):
            return WEIGHTS.index(HALF)
        means = _smoothed(self.means()[None])[0]
        allowed = np.ones(len(means), bool)
        allowed[[0, -1]] = not inside
        best = int(np.where(allowed, means, -np.inf).argmax())
        is_as_good = allowed & (means[best] - means <= _TOLERATED_ERRORS * np.sqrt(self._variances(best)))
        weights = [int(at) for at in np.flatnonzero(is_as_good)]
        words_alone = len(means) - 1
        if words_alone in weights and min(weights) >= words_alone - _END_STEPS:
            return words_alone
        return min(weights, key=lambda at: (abs(WEIGHTS[at] - HALF), -means[at]))

    def _variances(self, best: int) -> Floats:
        """Returns the squared standard error of the difference between the best weight and each, (w,)."""
        variances = _variances(self.expected(), self.synthetic[0].clusters, best)
        if self.judged is None:
            return variances
        share = _share_of_judged(len(self.judged.values))
        judged = _variances(self.judged.values, self.judged.clusters, best)
        return np.asarray(share**2 * judged + (1 - share) ** 2 * variances)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """What both encoders reach, each with words, on queries that none was trained on.

    Attributes:
        base: the curves of the base encoder at some weights, on synthetic queries of held-out documents, thinned by
            each of `THINNING`.
        tuned: those of the tuned encoder, on the same queries at the same weights.
        judged: the curves of base and of tuned on judged queries; None where there are none.
    """

    base: Sequence[WeightCurves]
    tuned: Sequence[WeightCurves]
    judged: tuple[WeightCurves, WeightCurves] | None = None

    def without(self, fold: int) -> HeldOut:
        """Returns the same without the queries of one fold."""
        base, tuned = ([curves.without(fold) for curves in listed] for listed in (self.base, self.tuned))
        judged = (self.judged[0].without(fold), self.judged[1].without(fold)) if self.judged else None
        return HeldOut(base, tuned, judged)

    def gain(self, weight: float, shares: Floats, bootstrap: Bootstrap) -> DifferenceFigures | None:
        """Computes what the tuned encoder adds at a weight, on a mixture of the sets and on judged queries.

        It is not known, and None, where no query of a held-out document is left, as where a fold took the only ones:
        nothing would then be averaged with the judged queries as if it were a gain of zero.
        """
        if not self.base[0].clusters:
            return None
        pairs = zip(self.tuned, self.base, strict=True)
        gains = shares @ np.stack([tuned.at(weight) - base.at(weight) for tuned, base in pairs])
        mean = _resampled(gains, self.base[0].clusters, bootstrap)
        if self.judged is not None:
            base, tuned = self.judged
            judged = _resampled(tuned.at(weight) - base.at(weight), base.clusters, bootstrap, stream=1)
            mean = _averaged(judged, mean)
        return replace(mean, limits=(-1.0, 1.0)).figures()


def choose(
    evidence: Evidence, bootstrap: Bootstrap, held_out: HeldOut | None = None, *, is_harmless: bool = True
) -> Choice:
    """Chooses the weight of words by the base encoder, and the tuned one where what it adds is surely above zero.

    Args:
        evidence: what words and the base encoder reach; nothing is trained on it, so that all documents may take part.
        bootstrap: how intervals are drawn, by document.
        held_out: what both encoders reach on documents that the tuned one has not seen; None where there is none.
        is_harmless: whether the decision lets the tuned encoder pass; else the base stays, whatever it adds here.
    """
    best, synthetic = evidence.best(), evidence.synthetic[0]
    tuning = held_out.gain(WEIGHTS[best], evidence.shares, bootstrap) if held_out else None
    return Choice(
        model_of(tuning, is_harmless=is_harmless),
        WEIGHTS[best],
        float(evidence.means()[best]),
        gain(evidence, best, len(WEIGHTS) - 1, bootstrap),
        gain(evidence, best, 0, bootstrap),
        tuning,
        synthetic=len(synthetic.values),
        documents=len(set(synthetic.clusters)),
        real=len(evidence.agreement),
        judged=len(evidence.judged.values) if evidence.judged else 0,
        lost=float(evidence.shares @ THINNING),
        held_out=len(held_out.base[0].values) if held_out else 0,
    )


def model_of(tuning: DifferenceFigures | None, *, is_harmless: bool) -> str:
    """Returns the encoder to use, by what the tuned one adds: it stands in for the base only where that is sure."""
    return "tuned" if is_harmless and tuning and tuning.low > 0 else "base"


def gain(evidence: Evidence, weight: int, other: int, bootstrap: Bootstrap) -> DifferenceFigures:
    """Computes what one weight reaches more than another, with its interval: by document, and by judged query.

    The interval tells how sure the mean is for such queries; that real ones are like them is not in it.

    Args:
        evidence: what each weight reaches.
        weight: number of a weight.
        other: number of the weight that it is compared with.
        bootstrap: how resamples are drawn.
    """
    values, clusters = evidence.expected(), evidence.synthetic[0].clusters
    mean = _resampled(values[:, weight] - values[:, other], clusters, bootstrap)
    if evidence.judged is not None:
        values = evidence.judged.values
        judged = _resampled(values[:, weight] - values[:, other], evidence.judged.clusters, bootstrap, stream=1)
        mean = _averaged(judged, mean)
    return replace(mean, limits=(-1.0, 1.0)).figures()


def _resampled(gains: Floats, clusters: Sequence[str], bootstrap: Bootstrap, stream: int = 0) -> Resampled:
    """Resamples a mean; another stream has draws of its own."""
    return replace(bootstrap, seed=bootstrap.seed + stream).resample({"gain": gains}, clusters)["gain"]


def _smoothed(values: Floats) -> Floats:
    """Returns the mean of each weight and its neighbours, (n, weights)."""
    count = values.shape[1]
    windows = (slice(max(0, at - _SMOOTHED_STEPS), at + _SMOOTHED_STEPS + 1) for at in range(count))
    return np.stack([values[:, window].mean(axis=1) for window in windows], axis=1)


def _variances(values: Floats, clusters: Sequence[str], best: int) -> Floats:
    """Returns the squared standard error of the difference between the best weight and each, by cluster, (weights,)."""
    smooth = _smoothed(values)
    sizes, sums = cluster_totals(list((smooth[:, [best]] - smooth).T), clusters)
    spread = sums - sizes[:, None] * sums.sum(axis=0) / sizes.sum()
    return np.asarray((spread**2).sum(axis=0) / sizes.sum() ** 2)


def _share_of_judged(count: int) -> float:
    return count / (count + _SYNTHETIC_QUERIES)


def _averaged(judged: Resampled, synthetic: Resampled) -> Resampled:
    """Averages the means of judged and of synthetic queries, which are independent of each other."""
    share = _share_of_judged(judged.queries)
    return Resampled(
        share * judged.mean + (1 - share) * synthetic.mean,
        share * judged.means + (1 - share) * synthetic.means,
        judged.queries + synthetic.queries,
        judged.clusters + synthetic.clusters,
    )
