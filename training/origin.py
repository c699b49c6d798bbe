"""Where the examples came from that a model is trained on, in the words of its card.

In: the folders of a run. Out: what the card says of the examples and of their rights. Generated queries are not called
given, nor given pairs a language model's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.artifacts.columns import EXAMPLES
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.forms import Form


@dataclass(frozen=True)
class Origin:
    """The words of a card.

    Attributes:
        source: what the model was tuned on.
        origin: how far the examples can be trusted.
        rights: whose terms apply besides those of the base.
        is_synthetic: whether a language model wrote any of them.
    """

    source: str
    origin: str
    rights: str
    is_synthetic: bool


_REPORTED = "How good the model is, beside its base, is in the run's report."
_OF_WRITERS = "The terms of the language model that wrote {them}, and the rights in the documents, may apply as well."
GENERATED = Origin(
    "queries that a language model wrote for the passages of one collection",
    f"The queries are synthetic: they can be wrong, and they are of the kinds that were asked for. {_REPORTED}",
    _OF_WRITERS.format(them="the queries"),
    is_synthetic=True,
)
_LABELLED = Origin(
    "texts that a language model wrote under the labels",
    f"The texts are synthetic: what they say may not be what their label says. {_REPORTED}",
    _OF_WRITERS.format(them="the texts"),
    is_synthetic=True,
)
_MIXED = Origin(
    "pairs that were given, and queries that a language model wrote for the passages of one collection",
    f"Some of the queries are synthetic: they can be wrong, and they are of the kinds that were asked for. {_REPORTED}",
    f"The rights in the given pairs may apply as well. {_OF_WRITERS.format(them='queries')}",
    is_synthetic=True,
)
_GIVEN = {
    Form.pairs: "pairs of a query and a passage that were given",
    Form.triplets: "triplets of a query, a passage and another passage that were given",
    Form.graded: "graded pairs of texts that were given",
    Form.labelled: "labelled texts that were given",
    Form.texts: "plain texts that were given",
}


def given_origin(form: Form) -> Origin:
    """Returns the words for examples that a user gave."""
    trusted = f"Nobody looked whether the examples are right. {_REPORTED}"
    return Origin(_GIVEN[form], trusted, "The rights in the examples may apply as well.", is_synthetic=False)


def origin_of(inputs: Mapping[str, Path]) -> Origin:
    """Tells where the examples of a training came from.

    Args:
        inputs: the folder "examples", and "documents" where any example was generated.
    """
    examples = ExamplesFolder(inputs["examples"])
    form = examples.form()
    if "documents" not in inputs:
        return given_origin(form)
    if form is Form.labelled:
        return _LABELLED
    is_generated = set(EXAMPLES.names) <= set(examples.columns().names)  # given ones have no figures of curation
    return GENERATED if is_generated else _MIXED
