"""What queries are like: whether they are questions, and how many words they have.

In: texts of queries. Out: the weights of the values of a trait, which sum to 1. Only what can be told from a text alone
is measured, in the same way whoever wrote it, so that a log and generated queries can be compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from engine.task.config import QueryTrait
from engine.text.words import words

QUESTION, KEYWORDS = "question", "keywords"
"""The forms of a query."""
_LEAST_SHARE = 0.005
"""A length that fewer queries have is left out: it is chance, or no query."""

_MARKS = ("?", "\uff1f", "\u061f", "\u037e")  # also full width, Arabic, and Greek
_QUESTION_WORDS = {
    "english": "who whom whose what which when where why how",
    "german": "wer wen wem wessen was welche welcher welches wann wo wohin woher warum wieso weshalb wie",
    "french": "qui quoi quel quelle quels quelles quand où pourquoi comment combien",
    "spanish": "quién quiénes qué cuál cuáles cuándo dónde cómo cuánto cuánta cuántos",
    "italian": "perché quale quali",
    "portuguese": "quem qual quais onde",
    "dutch": "wat welke wanneer waar waarom hoe",
    "korean": "누가 무엇 언제 어디 어떻게 왜 어떤",
}
"""Words with which questions begin, folded; none that begins other queries as often."""
_BEGINNINGS = frozenset(word for listed in _QUESTION_WORDS.values() for word in listed.split())
_VERBS = {"is", "are", "was", "were", "do", "does", "did", "can", "could", "should", "would", "will", "has", "have"}
_SUBJECTS = {"i", "you", "he", "she", "it", "we", "they", "the", "a", "an", "there", "this", "that", "my", "your"}
"""A verb and what may stand behind it, with which English questions begin: `is there`, and not `can opener`."""
_ENDINGS = ("까", "나요", "가요", "은가", "는가", "인가", "か", "吗", "呢")
"""What questions end with in Korean, Japanese and Chinese."""


def form_of(query: str) -> str:
    """Tells whether a query is a question: by its mark, its first word or its ending; else it is keywords."""
    text = query.strip()
    if text.endswith(_MARKS):
        return QUESTION
    folded = words(text)
    by_word = len(folded) > 1 and folded[0] in _BEGINNINGS
    by_verb = len(folded) > 2 and folded[0] in _VERBS and folded[1] in _SUBJECTS
    return QUESTION if by_word or by_verb or text.rstrip(" .").endswith(_ENDINGS) else KEYWORDS


def weights_of_trait(trait: QueryTrait, queries: Iterable[str]) -> dict[str, float]:
    """Returns the share of each value of a trait among queries: forms by name, lengths in words in ascending order.

    Args:
        trait: what to measure.
        queries: texts; at least one.
    """
    if trait is QueryTrait.form:
        counts: Counter[str] = Counter({QUESTION: 0, KEYWORDS: 0})
        counts.update(map(form_of, queries))
        return _shares(counts)
    lengths = Counter(len(words(query)) for query in queries)
    common = {length: count for length, count in lengths.items() if count >= _LEAST_SHARE * lengths.total()}
    return _shares({str(length): common[length] for length in sorted(common)})


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    total = sum(counts.values())
    return {value: round(count / total, 6) for value, count in counts.items()}
