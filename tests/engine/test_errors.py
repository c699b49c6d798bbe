"""The one exception a user reads: one line, whatever is put into it, on both sides of a process border."""

import pickle

import pytest

from engine.errors import UserError, check_setting, suggest


def test_says_place_what_and_remedy_in_one_line() -> None:
    error = UserError("no such file: a.jsonl", where="demonstrations.path", remedy="name a JSONL file")
    assert str(error) == "demonstrations.path: no such file: a.jsonl; name a JSONL file"
    assert (error.what, error.where, error.remedy) == (
        "no such file: a.jsonl",
        "demonstrations.path",
        "name a JSONL file",
    )


def test_stays_one_line_when_its_parts_have_several() -> None:
    error = UserError("first\n   second", where="key=a\nb", remedy="do\n\tthis")
    assert str(error) == "key=a b: first second; do this"


def test_crosses_process_borders_whole() -> None:
    copy = pickle.loads(pickle.dumps(UserError("what", where="place", remedy="remedy")))
    assert isinstance(copy, UserError)
    assert (copy.what, copy.where, copy.remedy) == ("what", "place", "remedy")


def test_a_setting_is_refused_by_its_key_its_value_and_what_it_may_be() -> None:
    check_setting(True, "model.epochs", 1, "1 or more")
    with pytest.raises(UserError, match=r"^model.epochs=0: 0 is out of range; set it to 1 or more$"):
        check_setting(False, "model.epochs", 0, "1 or more")
    with pytest.raises(UserError, match=r"^seed=-1: -1 is too small; set it to 0 or more$"):
        check_setting(False, "seed", -1, "0 or more", fault="is too small")


def test_suggests_the_closest_name_and_lists_all() -> None:
    assert (
        suggest("sample", ["samples", "report", "model"]) == "did you mean 'samples'? valid are: model, report, samples"
    )


def test_many_names_are_not_listed_beside_a_close_one() -> None:
    many = [f"name_{number}" for number in range(30)]
    assert suggest("nam_3", many) == "did you mean 'name_3'?"
    assert suggest("zzz", many).startswith("valid are: name_0, ")


def test_suggests_nothing_when_nothing_is_close() -> None:
    assert suggest("zzz", ["samples", "report"]) == "valid are: report, samples"
