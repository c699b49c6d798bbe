"""What several models reached, in words: headings of the table, its cells, and the sentences around it.

In: the figures. Out: text, the same on the page and on the terminal.
"""

from __future__ import annotations

from engine.text.durations import format_seconds
from eval import wording
from eval.similarity.figures import STATISTICS
from eval.stages.config import BASE, BM25
from eval.stages.figures import HELD_OUT, PAIRS, QUESTIONS, TRAIN, SetFigures, StageFigures, Stages, best_of

SIDES = {HELD_OUT: "held out", TRAIN: "training"}
"""The sides of a set in words."""
DASH = "\u2013"
_METRIC_NAMES = {"ndcg@10": "nDCG@10", "mrr@100": "MRR", "pearson": "Pearson", "spearman": "Spearman"}


def metric_name(metric: str) -> str:
    """Puts the name of a metric into words."""
    return _METRIC_NAMES.get(metric, metric)


def model_name(name: str) -> str:
    """Puts the name of a row into words."""
    return {BASE: "base, untrained", BM25: "BM25, no model"}.get(name, name)


def metrics_of(figures: Stages, part: SetFigures) -> list[str]:
    """Returns the metrics by which a set is shown."""
    return list(STATISTICS) if part.kind == PAIRS else list(figures.metrics)


def cell(part: SetFigures, side: str, model: str, metric: str) -> str:
    """Writes what a model reaches; a dash where it was not measured."""
    level = part.levels.get(side, {}).get(model, {}).get(metric)
    return DASH if level is None else f"{level.mean:.3f}"


def title(figures: Stages) -> str:
    """Says in a few words which model is the best one, on held-out examples."""
    best, name, metric = best_of(figures)
    level = figures.sets[name].levels[HELD_OUT][best][metric]
    return f"{best}: {metric_name(metric)} {level.mean:.3f} on held-out {_noun(figures.sets[name])}"


def best_sentence(figures: Stages) -> str:
    """Says what the best model adds to the base, and what that is on the examples that it was trained on."""
    best, name, metric = best_of(figures)
    part = figures.sets[name]
    held, trained = (part.levels.get(side, {}) for side in (HELD_OUT, TRAIN))
    base = held[BASE][metric].mean
    start = (
        f"{metric_name(metric)} of {best} on held-out {_noun(part)} is {held[best][metric].mean:.3f}, base {base:.3f}"
    )
    if best not in trained:
        return f"{start}."
    gain = held[best][metric].mean - base
    on_train = trained[best][metric].mean - trained[BASE][metric].mean
    left = f", {wording.share(max(gain, 0.0), on_train)} of it is left" if on_train > max(gain, 0.0) else ""
    return f"{start}: {wording.signed(gain)}, where on training {_noun(part)} it is {wording.signed(on_train)}{left}."


def words_sentence(figures: Stages) -> str:
    """Says how words alone do, where something is searched; nothing elsewhere."""
    best, name, metric = best_of(figures)
    levels = figures.sets[name].levels[HELD_OUT]
    if BM25 not in levels:
        return ""
    words, level = levels[BM25][metric].mean, levels[best][metric].mean
    side = "above" if words > level else "below" if words < level else "equal to"
    return f"BM25, which learns nothing, has {words:.3f}, {side} the best model."


def how_trained(stage: StageFigures) -> str:
    """Says what a model learnt from, and how."""
    if not stage.examples:
        return DASH
    epochs = f", {stage.epochs} epoch{'s' if stage.epochs > 1 else ''}" if stage.epochs else ""
    return f"{stage.loss} on {stage.rows:,} of {stage.examples}, batches of {stage.batch_size}{epochs}"


def counted(part: SetFigures) -> str:
    """Says how many questions or pairs a set has on each side."""
    sides = " and ".join(f"{part.counts[side]:,} {words}" for side, words in SIDES.items() if side in part.counts)
    among = f", among {part.passages:,} passages" if part.kind == QUESTIONS else ""
    return f"{part.name}: {sides}{among}"


def time_of_questions(stage: StageFigures) -> str:
    """Writes the time of a thousand questions, of each set where there are several; a dash where there were none."""
    times = {name: f"{seconds:,.1f} s" for name, seconds in stage.seconds_per_1000.items()}
    if len(times) > 1:
        return ", ".join(f"{name} {time}" for name, time in times.items())
    return next(iter(times.values()), DASH)


def training_time(stage: StageFigures) -> str:
    """Writes the time of a training with those before it; a dash where there was none."""
    return format_seconds(stage.training_seconds) if stage.examples else DASH


def _noun(part: SetFigures) -> str:
    return "questions" if part.kind == QUESTIONS else "pairs"
