"""The configs of the steps that a teacher is made of: candidates, the question about them, and their scores.

In: the settings of a teacher and of what else these steps need; the pipeline puts them together. Out: frozen configs
that say what is part of a fingerprint. They stand apart from `config.py`, so that training reaches no search by them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.artifacts.judged import Criterion
from engine.runtime.identity import fields_of
from engine.search.analyser import AUTO, analyser_identity, check_language
from engine.search.cross_encoder import CrossEncoderConfig
from engine.search.encoder import EncoderConfig
from engine.task.config import TaskConfig
from training.teachers.config import TeacherConfig

CANDIDATES, ANSWERS = "candidates", "answers"
"""The names under which the step that scores finds its inputs, beside documents, examples and a cross-encoder."""


@dataclass(frozen=True)
class CandidatesConfig:
    """The candidates of every training query, and their scores by search."""

    encoder: EncoderConfig
    """The base model, which searches beside BM25."""
    seed: int
    top: int
    deeper: int
    first_rank: int
    last_rank: int
    words: float
    reasons: tuple[str, ...] = ()
    """The reasons of rejected examples that are trained on as well."""
    language: str = AUTO
    """The language by which BM25 reads words; see the key `language` of a run."""

    @classmethod
    def of(cls, teacher: TeacherConfig, encoder: EncoderConfig, language: str, seed: int) -> CandidatesConfig:
        """Makes the config of the step from that of the teacher."""
        names = ("top", "deeper", "first_rank", "last_rank", "words")
        settings = {name: getattr(teacher, name) for name in names}
        return cls(encoder, seed, reasons=teacher.reasons(), language=language, **settings)

    def fitting(self, others: int) -> CandidatesConfig:
        """Returns the same for collections with so few other passages: fewer deeper candidates, then fewer top ones."""
        top = min(self.top, others)
        return replace(self, top=top, deeper=min(self.deeper, others - top))

    @property
    def others(self) -> int:
        """Returns the number of a query's candidates beside its own passage."""
        return self.top + self.deeper

    def identity(self) -> dict[str, object]:
        """Returns the fields, with who stems in place of the language where words count.

        Raises:
            UserError: BM25 does not know the language; a run asks this before it starts anything.
        """
        fields = fields_of(self, without=("language",))
        if not self.words:
            return fields
        check_language(self.language, "language")
        return fields | {"analyser": analyser_identity(self.language)}


@dataclass(frozen=True)
class QuestionConfig:
    """The plan of a question about every candidate."""

    task: TaskConfig
    """The question, as turns that are scored about a passage and the condition `engine.artifacts.judged.QUERY`."""
    reasons: tuple[str, ...]
    """As in `CandidatesConfig`."""


@dataclass(frozen=True)
class ScoringConfig:
    """What scores candidates anew: a cross-encoder, or a criterion that reads what a model answered."""

    reasons: tuple[str, ...]
    """As in `CandidatesConfig`."""
    criterion: Criterion | None = None
    cross_encoder: CrossEncoderConfig | None = None
    """Without a model it is the one that an earlier step of the run trained."""

    def identity(self) -> dict[str, object]:
        """Returns the fields; a cross-encoder of the run counts by the fingerprint of its step."""
        fields = fields_of(self, without=("cross_encoder",))
        if self.cross_encoder is None:
            return fields
        is_named = bool(self.cross_encoder.model)
        read = self.cross_encoder.identity() if is_named else fields_of(self.cross_encoder, without=("model",))
        return fields | {"cross_encoder": read}
