"""Two experiments over a setting: the sizes of chunks, and the number of examples.

In: a RunConfig with the values to try. Out: its steps, of which those up to the examples are the adaptation's.
"""

from __future__ import annotations

from dataclasses import replace

from engine.documents.step import load_documents
from engine.errors import UserError
from engine.examples.subset.config import SubsetConfig
from engine.examples.subset.step import take_share
from engine.pipeline.adaptation import curated
from engine.pipeline.config import RunConfig
from engine.pipeline.model import check_model
from engine.pipeline.reported import refuse_files
from engine.pipeline.training import check_development, model_steps
from engine.runtime.step import POINTS, SIZES, Step
from eval.chunk_sizes.config import ChunkSize, ChunkSizesPlan
from eval.chunk_sizes.step import measure_chunk_sizes
from eval.learning_curve.config import BASE, LearningCurvePlan, point_name
from eval.learning_curve.step import draw_learning_curve
from eval.scores.config import ScoresConfig
from eval.scores.step import score_model
from training.teachers.config import KEY


def chunk_sizes(config: RunConfig) -> list[Step]:
    """Lists the steps of a comparison of chunk sizes: the documents are cut once more in each, and nothing is trained.

    Synthetic queries are written once, from chunks as `documents` has them.

    Raises:
        UserError: a file is named that only a report measures on.
    """
    refuse_files(config, "a comparison of chunk sizes")
    every, documents, prompts, samples, examples = curated(config)
    cut = []
    for size in config.chunk_sizes.sizes():
        settings = replace(config.documents, max_tokens=size.tokens, overlap_tokens=size.overlap_tokens)
        cut.append(Step("documents", load_documents, settings, name=size.name, part_of=f"{SIZES}/{size.name}"))
    written_from = ChunkSize(config.documents.max_tokens, config.documents.overlap_tokens)
    plan = ChunkSizesPlan(config.chunk_sizes, written_from, config.report)
    measured = (documents, prompts, samples, examples, *cut)
    return [*every, *cut, Step("chunk_sizes", measure_chunk_sizes, plan, measured)]


def learning_curve(config: RunConfig) -> list[Step]:
    """Lists the steps of a learning curve: for each share of the training documents a model of each seed, and scores.

    The model of all documents and the first seed is that of `adaptation`, so that the two share it.

    Raises:
        UserError: there is a teacher, or a file that only a report measures on.
    """
    refuse_files(config, "a learning curve")
    if config.model.teacher.is_there:
        where = f"{KEY}.by={config.model.teacher.by}"
        raise UserError("a learning curve has no teacher", where=where, remedy="leave it out, or set it to none")
    check_model(config)
    check_development(config)
    every, documents, prompts, samples, examples = curated(config)
    settings = config.learning_curve
    scoring, base = ScoresConfig(settings.weight, config.report), (documents, prompts, examples)
    scores = [Step("scores", score_model, scoring, base, name=BASE, part_of=f"{POINTS}/{BASE}")]
    subsets: list[Step] = []
    trained: list[Step] = []
    for share in settings.ascending():
        subset = examples
        if share < 1:
            where = f"{POINTS}/{share:g}"
            subset = Step("examples", take_share, SubsetConfig(share, config.seed), (examples,), part_of=where)
            trained.append(subset)
        subsets.append(replace(subset, name=f"examples_{share:g}"))
        for seed in range(settings.seeds):
            point = point_name(share, seed)
            where, seeded = f"{POINTS}/{point}", replace(config.model, seed=config.model.seed + seed)
            *iterations, model = model_steps(seeded, (documents, subset), where)
            read = (documents, prompts, subset, model)
            scores.append(Step("scores", score_model, scoring, read, name=point, part_of=where))
            trained += [*iterations, model, scores[-1]]
    plan = LearningCurvePlan(settings, config.report)
    curve = Step("learning_curve", draw_learning_curve, plan, (documents, samples, examples, *subsets, *scores))
    return [*every, scores[0], *trained, curve]
