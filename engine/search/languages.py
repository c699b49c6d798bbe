"""Which language texts are in, as far as BM25 must know it.

In: texts. Out: the name of their language, `MIXED` where they have several, `UNKNOWN` where that cannot be told. The
method is small on purpose: a script that one language is written in tells that language; between languages that share a
script, their commonest function words do. It draws nothing at random and asks no model, so the same texts have the same
language on every machine. A wrong stemmer does more harm than none, so whatever is close is not decided.
"""

# ruff: noqa: RUF001 (Cyrillic words look like Latin letters)

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence

from engine.text.words import words

MIXED, UNKNOWN = "mixed", "unknown"
"""The answers of `detect_language` in place of a language."""

_FUNCTION_WORDS = {
    "afrikaans": "die van en nie het is wat vir om te hulle ook sy deur word was met aan daar maar",
    "arabic": "من في على إلى عن أن إن التي الذي هذا هذه كان كانت ما لا لم قد بين بعد كل أو ولا مع كما ذلك",
    "basque": "eta da ez bat du dira ere zuen ziren zen baina dute edo hau izan dituen duen izateko",
    "bulgarian": "и на в да се от за е с не са че като по но или това които към всеки има при",
    "catalan": "els amb i per és dels les una del al que aquest com però més seva seu són ha no en tots o",
    "czech": "a v na se je že z s o do to jako by který byl pro podle nebo jsou ve také i své má",
    "danish": "af at og i er til det en der ikke blev sig også hvad efter eller har kan som på de enhver mod ret uden",
    "dutch": "de het een van en dat niet zijn met voor op te aan ook door wordt bij naar is in of als heeft",
    "english": "the of and is to that with are this be which from by was it for as on an or in not have can has",
    "estonian": "ja on ei et see oli aga ning kui ta ka või mis seda oma selle kes tema igal peab kõik",
    "finnish": "ja on ei että se oli mutta hän ovat kuin jos tai joka myös kun sen voi niin heidän sekä kaikki",
    "french": "le les des et est du dans une que pour qui au par sur pas ce aux il sont ne ou avec la en de cette",
    "galician": "o a e do da que unha non os dos na cun é pero máis ao tamén coa nos das súa teñen ou",
    "german": "der die und das ist von mit den nicht zu dem ein eine auf für sich des auch werden im wird oder hat",
    "hindi": "के में की है का और से को हैं पर ने यह भी लिए या नहीं कर था इस किसी तथा जो",
    "hungarian": "a az és hogy nem is egy volt ez meg csak de van minden vagy mint ki azt nek kell joga",
    "indonesian": "yang dan di dengan untuk pada dari adalah ini dalam tidak itu ke oleh atau akan dapat setiap orang",
    "irish": "agus na an ar go is sa le bhí tá ag nó don ní seo leis ach gach chun a do i",
    "italian": "il di che è della per del nel gli una con non sono alla dei da più ed le la i in o ad ogni",
    "lithuanian": "ir kad yra į su iš kaip bet buvo apie tai dėl ar jo nuo per taip ne turi savo kiekvienas",
    "marathi": "आहे आणि या व हे तर होते आहेत मध्ये म्हणून ते असे किंवा आपल्या त्या",
    "nepali": "र छ हो पनि यो छन् गर्ने गरेको भएको तथा लागि वा हुन्छ गर्न हरू प्रत्येक",
    "norwegian": "av å og i er til det en som ikke ble seg også hva etter eller har kan på de enhver noen mot rett",
    "persian": "و در به از که این را با است برای آن یک می شود هر یا تا بر های باید",
    "polish": "i w na z się nie do to że jest o jak przez od po są dla lub oraz ma prawo każdy jego",
    "portuguese": "o os do da em um uma não ao é mais com na no dos pelo são também que e ou as de para",
    "romanian": "și în de la cu care pe este din sau să nu pentru sunt mai prin orice are a al ale o un",
    "russian": "и в не на что с по как это для из от его но или также был к же которые при за они должен",
    "serbian": "и у је да на се су за од са који што као али није свако има или својој",
    "spanish": "el los las y del una con es al su lo pero más como ha muy que en por para se no o toda de la",
    "swedish": "och att det som en är på för av med den inte till ett om har från var eller kan när i de",
    "turkish": "ve bir bu da de için ile olarak olan çok gibi daha ne her ya veya kadar sonra en var bütün",
    "ukrainian": "і в не на що з до як та у за від це його але або також був є для має кожна",
    "urdu": "کے میں کی ہے اور سے کا کو نے پر ہیں یہ بھی یا نہیں کر کہ اس جو",
    "vietnamese": "và của là có các cho được trong một không những người với này quyền mọi đều",
}
"""The words that are frequent in a language, to tell it from others of its script. Some of these languages have no
stemmer here; they are listed so that they are not taken for a neighbour that has one."""
_SCRIPTS = (
    (0x0370, 0x03FF, "greek"),
    (0x0530, 0x058F, "armenian"),
    (0x0B80, 0x0BFF, "tamil"),
    (0x0E00, 0x0E7F, "thai"),
    (0x1F00, 0x1FFF, "greek"),
    (0x3040, 0x30FF, "japanese"),
    (0x3400, 0x4DBF, "chinese"),
    (0x4E00, 0x9FFF, "chinese"),
    (0xAC00, 0xD7A3, "korean"),
)
"""The first and last code point of scripts that one language is written in."""

_SAMPLED_TEXTS, _SAMPLED_CHARACTERS = 400, 2_000
_KANA_SHARE = 0.05
"""The share of kana among Chinese characters and kana beyond which a text is Japanese."""
_LEAST_SHARE = 0.08
"""The share of a text's words that must be function words of its language."""
_LEAST_WORDS, _LEAD = 2, 2
"""Of the function words that two languages do not share, a text must have so many of its language, and so many times as
many as of the other."""
_LEAST_DECIDED, _MAJORITY = 0.1, 0.8
"""The share of the texts that must tell their language, and the share of these that must tell the same."""


def detect_language(texts: Sequence[str]) -> str:
    """Finds the language of a collection of texts from up to 400 of them, evenly spread.

    Args:
        texts: those of passages, in any order; another order may sample others.

    Returns:
        A name such as `english`, `MIXED` where no language has four fifths of the texts that tell theirs, or `UNKNOWN`
        where fewer than a tenth do.
    """
    sample = texts[:: sample_step(len(texts))]
    votes = Counter(language for text in sample if (language := language_of(text[:_SAMPLED_CHARACTERS])))
    if not votes or votes.total() < _LEAST_DECIDED * len(sample):
        return UNKNOWN
    [(language, count)] = votes.most_common(1)
    return language if count >= _MAJORITY * votes.total() else MIXED


def sample_step(count: int) -> int:
    """Returns how far apart the texts are that `detect_language` looks at, of so many."""
    return -(-count // _SAMPLED_TEXTS) or 1


def language_of(text: str) -> str:
    """Returns the language of one text; empty where it cannot be told, as of a title without any function word."""
    counts = Counter(words(text))
    return _by_script(counts) or _by_function_words(counts)


def _by_script(counts: Mapping[str, int]) -> str:
    """Returns the language whose script at least half of the words are in; empty where that is none."""
    by_language: Counter[str] = Counter()
    for word, count in counts.items():
        by_language[_script_language(word)] += count
    ideographic = by_language["japanese"] + by_language["chinese"]
    is_japanese = by_language["japanese"] > _KANA_SHARE * ideographic
    by_language["japanese"], by_language["chinese"] = (ideographic, 0) if is_japanese else (0, ideographic)
    total = by_language.total()
    del by_language[""]  # else the order of the words would decide where these are half of them
    [(language, count)] = by_language.most_common(1)
    return language if count and 2 * count >= total else ""


def _script_language(word: str) -> str:
    """Returns the language that is told by the script of a word's first letter; empty where several share it."""
    point = ord(word[0])
    return next((language for first, last, language in _SCRIPTS if first <= point <= last), "")


def _by_function_words(counts: Mapping[str, int]) -> str:
    """Returns the language that clearly has most of the words as function words; empty where none has."""
    found = {name: listed & counts.keys() for name, listed in _function_words().items()}
    least = _LEAST_SHARE * sum(counts.values())
    leading = (
        name
        for name, present in found.items()
        if _count(present, counts) >= least
        and all(_leads(present, rival, counts) for other, rival in found.items() if other != name)
    )
    return next(leading, "")


def _leads(first: frozenset[str], second: frozenset[str], counts: Mapping[str, int]) -> bool:
    """Tells whether a text is rather in the language of the first words: those of both languages do not tell."""
    return _count(first - second, counts) >= max(_LEAST_WORDS, _LEAD * _count(second - first, counts))


def _count(listed: frozenset[str], counts: Mapping[str, int]) -> int:
    return sum(counts[word] for word in listed)


@functools.cache
def _function_words() -> Mapping[str, frozenset[str]]:
    """Returns the table as sets of words, folded as texts are."""
    return {name: frozenset(words(listed)) for name, listed in _FUNCTION_WORDS.items()}
