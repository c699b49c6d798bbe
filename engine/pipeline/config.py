"""Everything that a run can be told, and what kind of run it is.

In: values from YAML and the command line. Out: a frozen RunConfig, and what a run of its kind makes.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.documents.config import DocumentsConfig
from engine.documents.readers.source import Reader
from engine.errors import check_setting
from engine.examples.config import ExamplesConfig
from engine.handover.config import SystemConfig
from engine.judge.config import JudgeConfig
from engine.launch.config import LaunchConfig
from engine.output.config import check_file
from engine.prompts.config import PromptsConfig
from engine.prompts.demonstrations.config import DemonstrationsConfig
from engine.queries.config import QueriesConfig
from engine.runtime.cluster import ClusterConfig
from engine.runtime.identity import placement
from engine.runtime.tracking import TrackingConfig
from engine.samples.config import SamplesConfig
from engine.search.analyser import AUTO, check_language
from engine.storage.store import (
    BATCH_NOUNS,
    CHUNK_SIZES_NOUNS,
    GIVEN_NOUNS,
    LEARNING_CURVE_NOUNS,
    NOUNS,
    STAGES_NOUNS,
    TAUGHT_NOUNS,
)
from engine.task.config import TaskConfig
from engine.watch.config import WatchConfig
from eval.chunk_sizes.config import ChunkSizesConfig
from eval.config import ReportConfig
from eval.learning_curve.config import LearningCurveConfig
from eval.stages.config import StagesConfig
from training.config import SCORERS, ModelConfig

GIVEN_KEY = "examples.path"
"""The key that names examples which a user has."""
STAGES_KEY = "stages.models"
"""The key that names several models to compare."""
SEEDS = 2**32
"""Every seed is below this, since numpy and the trainers of torch take 32 bits."""


@dataclass(frozen=True)
class RunConfig:
    """Everything that a run can be told. What it makes is set in the groups that are named after the seven nouns."""

    name: str = placement("run")
    """Names the run folder below `runs_dir`; each experiment sets its own, such as `adapt`."""
    collection: str = ""
    """A BEIR-style folder: its corpus becomes the documents, its queries and judgements the benchmark."""
    runs_dir: str = placement("runs")
    """Where run folders and their store live: a folder, on a cluster one that all nodes see, or a URL (s3, gs, az)."""
    run_dir: str = placement("")
    """The run folder; empty: `runs_dir/name`, with the name of the collection, the documents, the prompts or the given
    examples appended where there are any. A URL where `runs_dir` is one, and below it."""
    until: str = placement("system")
    """Stop after this step: documents, prompts, samples, examples, teacher (where there is one), model, report or
    system; of batch inference rows, prompts, samples or output; of the experiments chunk_size and learning_curve, in
    place of model, report and system, chunk_sizes or learning_curve; of a training on given examples alone, examples,
    model or report; of a comparison of several models, stages."""
    publish: str = placement("")
    """Upload the model when the run is done: `hub:OWNER/NAME`, or `hub:NAME` for the owner of the token. The token is
    taken from HF_TOKEN, or from where `hf auth login` put it; HF_ENDPOINT names another hub. Empty: nothing is."""
    publish_private: bool = placement(True)
    """With `publish`: nobody else is to see the repository."""
    publish_system: bool = placement(False)
    """With `publish`: upload `system` too, the search that the report recommends, with the texts of all passages."""
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
    stages: StagesConfig = field(default_factory=StagesConfig)

    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    launch: LaunchConfig = field(default_factory=LaunchConfig)
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)

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


def kinds_of(config: RunConfig) -> list[str]:
    """Returns the keys that make a run one of another kind than an adaptation; more than one is a mistake.

    Given examples are a part of an adaptation; without documents they are a kind of run, and no other kind reads them.
    """
    kinds = {
        "prompts.path": config.prompts.path,
        "chunk_sizes.tokens": config.chunk_sizes.tokens,
        "learning_curve.shares": config.learning_curve.shares,
        STAGES_KEY: config.stages.models,
    }
    keys = [key for key, value in kinds.items() if value]
    return [*keys, GIVEN_KEY] if config.examples.path and (keys or not has_documents(config)) else keys


def has_documents(config: RunConfig) -> bool:
    """Tells whether a run has documents, if only numbers in their place."""
    needs_no_path = config.documents.reader in (Reader.python, Reader.blank)
    return bool(config.collection or config.documents.path or needs_no_path)


def nouns_of(config: RunConfig) -> tuple[str, ...]:
    """Returns what the steps of a run make, in their order; a run may stop after each.

    A cross-encoder and a classifier are no search that could be handed over.
    """
    nouns = {
        "prompts.path": BATCH_NOUNS,
        "chunk_sizes.tokens": CHUNK_SIZES_NOUNS,
        "learning_curve.shares": LEARNING_CURVE_NOUNS,
        STAGES_KEY: STAGES_NOUNS,
        GIVEN_KEY: GIVEN_NOUNS,
    }
    of_adaptation: tuple[str, ...] = TAUGHT_NOUNS if config.model.teacher.is_there else NOUNS
    if config.model.family in SCORERS:
        of_adaptation = of_adaptation[:-1]
    return next((nouns[key] for key in kinds_of(config)), of_adaptation)


def last_noun(config: RunConfig) -> str:
    """Returns what a run ends with: `until`, but the report where that is the last and nothing is handed over."""
    last = nouns_of(config)[-1]
    return last if config.until == NOUNS[-1] and last == NOUNS[-2] else config.until
