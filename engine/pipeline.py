"""The whole of synthmill: documents -> prompts -> samples -> examples -> model -> report -> system.

Batch inference is a second, shorter way through the same steps: rows -> prompts -> samples -> output. Two experiments
go the same way up to the examples: chunk_sizes measures search in documents cut in several sizes, learning_curve trains
on more and more examples.

Each step is one function `(config, inputs, output, place) -> record`; data passes between steps only through
folders of Parquet, so any step can be run, read, replaced or resumed alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from engine.documents.config import DocumentsConfig
from engine.documents.step import load_documents
from engine.errors import check_setting
from engine.examples.config import ExamplesConfig, filters_of_one_row
from engine.examples.step import curate_examples
from engine.examples.subset.config import SubsetConfig
from engine.examples.subset.step import take_share
from engine.generation.kinds import check_chat, settle_kinds
from engine.generation.vllm_generator import block_tokens
from engine.handover.config import SystemConfig
from engine.handover.step import hand_over
from engine.judge.config import JudgeConfig
from engine.judge.pairs import PairQuestion, pair_question
from engine.judge.stages import Stage, judge_stages, model_beside
from engine.judge.step import plan_judgements
from engine.output.config import OutputConfig, check_file
from engine.output.step import write_output
from engine.prompts.config import PromptsConfig, RoundConfig, RowsPromptsConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.prompts.round_zero import demonstrations_config, values_config
from engine.prompts.step import plan_prompts
from engine.queries.conditions import with_measured_weights
from engine.queries.config import QueriesConfig
from engine.rows.config import RowsConfig
from engine.rows.form import leaves_open, sampling_columns, with_prompt
from engine.rows.source import find_source
from engine.rows.step import read_rows
from engine.runtime.cluster import ClusterConfig
from engine.runtime.identity import placement
from engine.runtime.step import ASKED, POINTS, ROUND_ZERO, SIZES, Refusal, Step
from engine.runtime.tracking import TrackingConfig
from engine.samples.config import SamplesConfig
from engine.samples.step import generate_samples
from engine.search.analyser import AUTO, check_language
from engine.storage.store import BATCH_NOUNS, CHUNK_SIZES_NOUNS, LEARNING_CURVE_NOUNS, NOUNS
from engine.task.compiled import compile_task
from engine.task.config import TaskConfig
from eval.asking.config import RERANKS, asked_in_words
from eval.asking.systems import expansion_input
from eval.chunk_sizes.config import ChunkSize, ChunkSizesConfig, ChunkSizesPlan
from eval.chunk_sizes.step import measure_chunk_sizes
from eval.config import ReportConfig
from eval.expansion.step import write_queries
from eval.learning_curve.config import BASE, LearningCurveConfig, LearningCurvePlan, point_name
from eval.learning_curve.step import draw_learning_curve
from eval.reranking.step import plan_pairs
from eval.scores.config import ScoresConfig
from eval.scores.step import score_model
from eval.step import evaluate_model
from training.config import ModelConfig
from training.step import train_model

SEEDS = 2**32
"""Every seed is below this, since numpy and the trainers of torch take 32 bits."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that a run can be told. What it makes is set in the groups that are named after the seven nouns."""

    name: str = placement("run")
    """Names the run folder below `runs_dir`."""
    collection: str = ""
    """A BEIR-style folder: its corpus becomes the documents, its queries and judgements the benchmark."""
    runs_dir: str = placement("runs")
    """Where run folders and their store live; on a cluster, a disk that every node sees."""
    run_dir: str = placement("")
    """The run folder; empty: `runs_dir/name`, with the collection's name appended where there is one."""
    until: str = placement("system")
    """Stop after this step: documents, prompts, samples, examples, model, report or system; of batch inference rows,
    prompts, samples or output; of the experiments chunk_size and learning_curve, in place of model, report and system,
    chunk_sizes or learning_curve."""
    preview: int = placement(0)
    """Plan only, and print this many rendered prompts, the distribution of conditions and a token forecast."""
    sample: bool = placement(False)
    """With `preview`: also generate those samples, and forecast time from them."""
    seed: int = 0
    """The seed of everything that is drawn."""
    language: str = AUTO
    """The language of the documents, by which BM25 reads words: `english`, `korean` ...; `none`: no language's stemmer
    and stop words; `auto` finds out."""

    documents: DocumentsConfig = field(default_factory=DocumentsConfig)
    queries: QueriesConfig = field(default_factory=QueriesConfig)
    demonstrations: DemonstrationsConfig = field(default_factory=DemonstrationsConfig)
    task: TaskConfig = field(default_factory=TaskConfig)
    prompts: PromptsConfig = field(default_factory=PromptsConfig)
    samples: SamplesConfig = field(default_factory=SamplesConfig)
    judge: JudgeConfig = field(default_factory=JudgeConfig)
    examples: ExamplesConfig = field(default_factory=ExamplesConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    report: ReportConfig = field(default_factory=ReportConfig)
    system: SystemConfig = field(default_factory=SystemConfig)
    chunk_sizes: ChunkSizesConfig = field(default_factory=ChunkSizesConfig)
    learning_curve: LearningCurveConfig = field(default_factory=LearningCurveConfig)

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)

    def __post_init__(self) -> None:
        """Refuses a negative number of previewed prompts, unknown languages, and seeds that not every library takes."""
        check_setting(self.preview >= 0, "preview", self.preview, "0 or more", fault="is too small")
        check_language(self.language, "language")
        if isinstance(self.samples, SamplesConfig) and self.samples.output:
            check_file(self.samples.output, self.prompts.path, self.runs_dir)
        groups = {name: getattr(getattr(self, name), "seed", None) for name in vars(self)}
        for key, seed in {"seed": self.seed, **{f"{name}.seed": value for name, value in groups.items()}}.items():
            if isinstance(seed, int):
                fault = f"is too {'small' if seed < 0 else 'large'}"
                check_setting(0 <= seed < SEEDS, key, seed, f"0 or more, up to {SEEDS - 1}", fault=fault)


def steps(config: RunConfig) -> list[Step]:
    """Lists the steps of a run in the order in which data meets them."""
    if config.prompts.path:
        return batch(config)
    config = addressed(config)
    if config.chunk_sizes.tokens:
        return chunk_sizes(config)
    return learning_curve(config) if config.learning_curve.shares else adaptation(config)


def kinds_of(config: RunConfig) -> list[str]:
    """Returns the keys that make a run one of another kind than an adaptation; more than one is a mistake."""
    kinds = {
        "prompts.path": config.prompts.path,
        "chunk_sizes.tokens": config.chunk_sizes.tokens,
        "learning_curve.shares": config.learning_curve.shares,
    }
    return [key for key, value in kinds.items() if value]


def nouns_of(config: RunConfig) -> tuple[str, ...]:
    """Returns what the steps of a run make, in their order; a run may stop after each."""
    nouns = {
        "prompts.path": BATCH_NOUNS,
        "chunk_sizes.tokens": CHUNK_SIZES_NOUNS,
        "learning_curve.shares": LEARNING_CURVE_NOUNS,
    }
    return next((nouns[key] for key in kinds_of(config)), NOUNS)


def batch(config: RunConfig) -> list[Step]:
    """Lists the steps of batch inference: every row of a file is asked once, or `prompts.per_row` times."""
    settings, samples, asks_rows = config.prompts, config.samples, leaves_open(config.task)
    config = addressed(config)
    sampling = sampling_columns(config.task) if settings.row_sampling else ()
    source = RowsConfig(settings.path, settings.id_field, sampling=sampling, asks_rows=asks_rows)
    plan = RowsPromptsConfig(
        config.task,
        samples.model,
        samples.context_tokens,
        per_row=settings.per_row,
        refuse=settings.refuse,
        block_tokens=block_tokens(samples),
    )
    rows = Step("rows", read_rows, source, checks_input=True, before_engines=True)
    prompts = Step("prompts", plan_prompts, plan, (rows,), checks_input=True, before_engines=True)
    answers = generation(config.samples, rows, prompts)
    output = Step("output", write_output, OutputConfig(settings.per_row), (rows, answers))
    return [rows, prompts, answers, output]


class Curated(NamedTuple):
    """The steps up to the examples, of which the last of each noun are what later steps read."""

    every: list[Step]
    documents: Step
    prompts: Step
    samples: Step
    examples: Step


def curated(config: RunConfig) -> Curated:
    """Lists the steps from documents to examples; three are repeated in every round.

    Where a filter asks a judge, what it is asked is planned and answered between samples and examples.
    """
    documents = Step("documents", load_documents, config.documents, checks_input=True)
    written = round_zero(config, documents)
    known = (documents, *(step for step in written if step.name))
    prompts = Step("prompts", plan_prompts, config.prompts, known, checks_input=True)
    rounds = [prompts, *samples_and_examples(config, documents, prompts)]
    for number in range(2, config.samples.rounds + 1):
        prompts = Step("prompts", plan_prompts, RoundConfig(config.prompts, number), (documents, prompts, rounds[-1]))
        rounds += [prompts, *samples_and_examples(config, documents, prompts)]
    samples, examples = next(step for step in reversed(rounds) if step.entry == "samples"), rounds[-1]
    return Curated([documents, *written, *rounds], documents, prompts, samples, examples)


def adaptation(config: RunConfig) -> list[Step]:
    """Lists the seven steps from documents to a search that can be deployed; three are repeated in every round.

    What the report has models asked is planned and answered before the model is trained, while engines are there.
    """
    every, documents, prompts, samples, examples = curated(config)
    asked = [*expansions(config, (documents, prompts, examples)), *reranks(config, (documents, prompts, examples))]
    answers = [step for step in asked if step.noun == "samples"]
    model = Step("model", train_model, config.model, (documents, examples))
    reported = (documents, prompts, samples, examples, model, *answers)
    report = Step("report", evaluate_model, with_scores(config), reported)
    system = Step("system", hand_over, config.system, (documents, model, report))
    return [*every, *asked, model, report, system]


def chunk_sizes(config: RunConfig) -> list[Step]:
    """Lists the steps of a comparison of chunk sizes: the documents are cut once more in each, and nothing is trained.

    Synthetic queries are written once, from chunks as `documents` has them.
    """
    every, documents, prompts, _, examples = curated(config)
    cut = []
    for size in config.chunk_sizes.sizes():
        settings = replace(config.documents, max_tokens=size.tokens, overlap_tokens=size.overlap_tokens)
        cut.append(Step("documents", load_documents, settings, name=size.name, part_of=f"{SIZES}/{size.name}"))
    written_from = ChunkSize(config.documents.max_tokens, config.documents.overlap_tokens)
    plan = ChunkSizesPlan(config.chunk_sizes, written_from, config.report)
    return [*every, *cut, Step("chunk_sizes", measure_chunk_sizes, plan, (documents, prompts, examples, *cut))]


def learning_curve(config: RunConfig) -> list[Step]:
    """Lists the steps of a learning curve: for each share of the training documents a model of each seed, and scores.

    The model of all documents and the first seed is that of `adaptation`, so that the two share it.
    """
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
            model = Step("model", train_model, seeded, (documents, subset), part_of=where)
            read = (documents, prompts, subset, model)
            scores.append(Step("scores", score_model, scoring, read, name=point, part_of=where))
            trained += [model, scores[-1]]
    plan = LearningCurvePlan(settings, config.report)
    curve = Step("learning_curve", draw_learning_curve, plan, (documents, samples, examples, *subsets, *scores))
    return [*every, scores[0], *trained, curve]


def addressed(config: RunConfig) -> RunConfig:
    """Returns the same run, in which every turn has a prompt, and is a chat or a completion.

    What a task leaves open, the rows of a file of prompts say; the generator settles what is `auto`. Conditions that a
    log of queries shows have its weights.
    """
    if config.prompts.path:
        task = with_prompt(config.task, find_source(config.prompts.path))
    else:
        task = with_measured_weights(config.task, config.queries.path)
    task = settle_kinds(task, config.samples)
    return replace(config, task=task, prompts=replace(config.prompts, task=task))


def round_zero(config: RunConfig, documents: Step) -> list[Step]:
    """Lists the same steps on small plans, for values of conditions and demonstrations that the generator writes."""
    values: list[Step] = []
    if unwritten := values_config(config.task):
        part = f"{ROUND_ZERO}/values"
        blank = Step("documents", load_documents, config.documents.one_blank(), part_of=part)
        prompts = Step("prompts", plan_prompts, unwritten, (blank,), part_of=part)
        values = [blank, prompts, generation(config.samples, blank, prompts, name="values", may_fail=True)]
    plan = demonstrations_config(config.task, config.demonstrations)
    if plan is None:
        return values
    part = f"{ROUND_ZERO}/demonstrations"
    refusal = Refusal(
        where=f"demonstrations.self_instruct={plan.count}",
        remedy="write some by hand (demonstrations.path), or choose a larger model",
    )
    prompts = Step("prompts", plan_prompts, plan, (documents, *values[-1:]), part_of=part)
    samples = generation(config.samples, documents, prompts, may_fail=True)
    curation = Step("examples", curate_examples, filters_of_one_row(), (documents, prompts, samples))
    curation = replace(curation, name="demonstrations", part_of=part, refusal=refusal)
    return [*values, prompts, samples, curation]


def samples_and_examples(config: RunConfig, documents: Step, prompts: Step) -> list[Step]:
    """Lists the steps from a plan to its examples: with a judge, a plan and its answers for each question to it."""
    samples = generation(config.samples, documents, prompts)
    asked: list[Step] = []
    for stage in judges(config):
        known = (documents, prompts, samples, *asked[1::2])
        plan = Step("prompts", plan_judgements, stage.plan, known, part_of=stage.part)
        name, may_fail = stage.criterion.judged, stage.asks_rest
        asked += [plan, generation(stage.generator, documents, plan, name=name, may_fail=may_fail)]
    curation = replace(config.examples, judged=tuple(stage.criterion for stage in judges(config)))
    inputs = (documents, prompts, samples, *asked[1::2])
    return [samples, *asked, Step("examples", curate_examples, curation, inputs)]


def judges(config: RunConfig) -> list[Stage[SamplesConfig]]:
    """Lists what the filters of a run have judges asked; nothing by default."""
    return judge_stages(config.judge, config.examples.filters, config.samples, config.task.attributes)


def generation(
    settings: SamplesConfig, subjects: Step, prompts: Step, *, name: str = "", may_fail: bool = False
) -> Step:
    """Returns the step that has a plan answered, in the part of its plan; what a killed attempt committed is kept.

    Args:
        settings: the model that answers.
        subjects: what the plan is about.
        prompts: the plan.
        name: what later steps know the answers by.
        may_fail: whether all may fail, since they are few and those that do not are enough: the samples of round 0, and
            what earlier judges left, of which all may be too long for any model.
    """
    if may_fail:
        settings = replace(settings, max_failed_share=1.0)
    inputs, part = (subjects, prompts), prompts.part_of
    answers = Step("samples", generate_samples, settings, inputs, resumable=True, needs_engines=True)
    return replace(answers, name=name, part_of=part)


def expansions(config: RunConfig, known: tuple[Step, ...]) -> list[Step]:
    """Lists the steps for each expansion of the report: its queries, a plan, and the texts that a model writes."""
    asked: list[Step] = []
    model = report_model(config)
    for name in config.report.expanded_by():
        part, expansion = f"{ASKED}/{name}", config.report.expansions[name]
        task = settle_kinds(expansion.task(name), model)
        for turn in compile_task(task).turns.values():
            check_chat(turn, model, "report.generator")
        plan = RowsPromptsConfig(task, model.model, model.context_tokens, per_row=expansion.count, refuse=False)
        rows = Step("rows", write_queries, config.report.asked_queries(), known, part_of=part)
        prompts = Step("prompts", plan_prompts, plan, (rows,), part_of=part)
        asked += [rows, prompts, generation(model, rows, prompts, name=expansion_input(name))]
    return asked


def reranks(config: RunConfig, known: tuple[Step, ...]) -> list[Step]:
    """Lists the steps by which the report puts passages in another order: their plan, and their scores."""
    if (question := question_of_report(config)) is None:
        return []
    plan = Step("prompts", plan_pairs, config.report.pairs(question.task), known, part_of=f"{ASKED}/{RERANKS}")
    return [plan, generation(question.generator, known[0], plan, name=RERANKS)]


def with_scores(config: RunConfig) -> ReportConfig:
    """Returns the settings of the report, which say where the scores of passages stand, if it asks for any."""
    question = question_of_report(config)
    return replace(config.report, reranked=question.criterion) if question else config.report


def report_model(config: RunConfig) -> SamplesConfig:
    """Returns the model that writes what the report expands queries with: the generator, unless it names another."""
    return model_beside(config.samples, config.report.generator, "report.generator", "report.generator.model")


def question_of_report(config: RunConfig) -> PairQuestion[SamplesConfig] | None:
    """Returns the question by which the report puts passages in another order; None where it does not."""
    by, settings = config.report.rerank_by, config.report.generator
    return pair_question(config.judge, by, config.samples, settings, "report.rerank_by") if by else None


def asked_of_models(config: RunConfig) -> list[str]:
    """Says what the report will have models asked, a line for each question; nothing by default, and without one."""
    if "report" not in nouns_of(config) or not config.report.asks:
        return []
    question = question_of_report(config)
    scorer = question.generator.model_name() if question else ""
    return asked_in_words(config.report, config.report.asked_queries(), report_model(config).model_name(), scorer)
