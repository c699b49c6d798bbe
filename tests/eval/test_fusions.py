"""Sums of systems mean what they say: by ranks without weights, by scores with them."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import UserError
from engine.search.fusion import FoundSystem, FusedSystem, reciprocal, standardised
from engine.search.order import id_ranks
from eval.fusions import Term, fused_system, half_words, parse_sum

KNOWN = ("bm25", "base", "e5-small.v2")
SYSTEMS = {name: FoundSystem(name, (np.zeros((1, 1), np.int64), np.ones((1, 1), np.float32))) for name in KNOWN}


def test_sums_are_read() -> None:
    assert parse_sum("bm25+base", KNOWN, "k") == [Term("bm25", None), Term("base", None)]
    assert parse_sum(" 30%bm25 + 70.5%e5-small.v2", KNOWN, "k") == [Term("bm25", 30), Term("e5-small.v2", 70.5)]
    assert parse_sum("base", KNOWN, "k") == [Term("base", None)]
    assert parse_sum("any+thing", None, "k") == [Term("any", None), Term("thing", None)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bm25+", "k=bm25+: is no sum of systems; write bm25+base"),
        ("", "k=: is no sum of systems"),
        ("bm25 base", "k=bm25 base: is no sum of systems"),
        ("bm25+bsae", "k=bm25+bsae: there is no system 'bsae'; did you mean 'base'?"),
        ("bm25+bm25", "k=bm25+bm25: names a system twice"),
        ("30%bm25+base", "k=30%bm25+base: gives weights to some systems only"),
        ("0%bm25+100%base", "k=0%bm25+100%base: gives weights to some systems only"),
    ],
)
def test_what_is_no_sum_is_refused(text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_sum(text, KNOWN, "k")
    assert str(caught.value).startswith(said)


def test_the_fused_system_is_named_by_its_sum() -> None:
    by_ranks = fused_system("bm25 + base", SYSTEMS, id_ranks(["a"]), "k")
    assert isinstance(by_ranks, FusedSystem)
    assert (by_ranks.name, by_ranks.gains) == ("bm25+base", reciprocal)
    assert [part.weight for part in by_ranks.parts] == [1.0, 1.0]
    by_scores = fused_system(half_words("base"), SYSTEMS, id_ranks(["a"]), "k")
    assert isinstance(by_scores, FusedSystem)
    assert (by_scores.name, by_scores.gains) == ("50%bm25+50%base", standardised)
    assert [part.weight for part in by_scores.parts] == [0.5, 0.5]
    assert fused_system("base", SYSTEMS, id_ranks(["a"]), "k") is SYSTEMS["base"]
