"""What a user gave is looked at: mistakes are told before anything starts, languages once documents are there."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from rich.console import Console as RichConsole

import engine.run
from engine.command_line.compose import load_config
from engine.command_line.preview import preview
from engine.documents.step import load_documents
from engine.errors import UserError
from engine.pipeline import looks
from engine.pipeline.config import RunConfig
from engine.pipeline.looks import check_documents, check_judgements, look_at_inputs
from engine.run import run, wanted_steps
from engine.runtime.console import Console
from engine.runtime.place import Place
from engine.storage.remote.opening import open_sharing
from engine.storage.store import DONE, Store
from tests.support.places import printed, quiet_place

GIVEN = ("experiment=adapt", "samples=fake", "tracking=off")
ENGLISH = "The wings of the bird are what it is that lifts it from the ground, and this is how it can fly in the air."
GERMAN = (
    "Die Flügel des Vogels sind das, was ihn von dem Boden hebt, und das ist der Grund, aus dem er auch nicht fällt."
)


def write(file: Path, *lines: object) -> Path:
    """Writes a file of lines, of which those that are no text become JSON."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    file.write_text("".join(f"{line}\n" for line in text), encoding="utf-8")
    return file


@contextmanager
def nothing_starts(*_: object) -> Iterator[Place]:
    """Stands where a run opens its place, from which Ray and engines are started."""
    raise AssertionError("the input is refused before")
    yield


@pytest.mark.parametrize(
    ("file", "lines", "override", "where", "said"),
    [
        ("docs/a.jsonl", ['{"text": '], "documents.path=docs", "docs/a.jsonl:1", "malformed JSON"),
        ("docs/b.jsonl", [{"text": "x"}, "[]"], "documents.path=docs", "docs/b.jsonl:2", "holds a JSON list"),
        ("corpus/queries.jsonl", [{"_id": "q0"}], "", "corpus/queries.jsonl:1", "query 'q0' has no text"),
        ("corpus/qrels/test.tsv", ["q0\td1\thigh"], "", "corpus/qrels/test.tsv:1", "'high' is not an integer"),
        ("corpus/qrels/test.tsv", ["q99\td1\t1"], "", "corpus/qrels/test.tsv:1", "unknown query 'q99'"),
        ("mine/b.jsonl", ["oops"], "examples.path=mine", "mine/b.jsonl:1", "malformed JSON"),
        ("shown.jsonl", [{"document": "x"}], "demonstrations.path=shown.jsonl", "shown.jsonl:1", "no text in 'query'"),
        ("shown.csv", ["query", "a"], "demonstrations.path=shown.csv", "shown.csv:2", "no text in 'document'"),
        ("shown.txt", ["x"], "demonstrations.path=shown.txt", "shown.txt:1", "tells no kind of file"),
        ("sts.jsonl", ["oops"], "report.similarity=sts.jsonl", "sts.jsonl:1", "malformed JSON"),
        ("more", [], "demonstrations.from_qrels=11", "demonstrations.from_qrels=11", "only 10 judged queries"),
    ],
)
def test_what_the_first_lines_show_is_refused_before_anything_starts(
    file: str,
    lines: list[object],
    override: str,
    where: str,
    said: str,
    corpus: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(corpus.parent)
    write(Path("docs/0.jsonl"), {"text": "some words"})
    write(Path("mine/a.jsonl"), {"query": "who", "passage": "some words"})
    write(Path(file), *lines)
    is_documents = override.startswith("documents.path")
    config, text = load_config([*GIVEN, *filter(None, [override]), *([] if is_documents else ["collection=corpus"])])
    monkeypatch.setattr("engine.run.open_place", nothing_starts)
    monkeypatch.setattr("engine.command_line.preview.open_place", nothing_starts)
    for start in (lambda: run(config, text), lambda: preview(config)):
        with pytest.raises(UserError) as caught:
            start()
        assert caught.value.where == where
        assert said in caught.value.what
    assert engine.run.open_place is nothing_starts
    assert not Path("runs").exists()


def test_labels_are_looked_at(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(corpus.parent)
    write(Path("train.jsonl"), {"text": "a", "label": "good"}, {"text": "b", "label": "bad"})
    write(Path("labelled/a.jsonl"), {"text": "a", "label": "good"})
    write(Path("labelled/b.jsonl"), {"text": "b", "label": "bad"}, "oops")
    overrides = ("experiment=train", "model=classifier", "examples.path=train.jsonl", "report.labelled=labelled")
    config, _ = load_config(overrides)
    with pytest.raises(UserError, match="malformed JSON") as caught:
        look_at_inputs(config, wanted_steps(config))
    assert caught.value.where == "labelled/b.jsonl:2"


@pytest.mark.parametrize("is_long", [False, True])
def test_long_examples_that_are_read_at_once_are_left_to_the_step(
    corpus: Path, monkeypatch: pytest.MonkeyPatch, is_long: bool
) -> None:
    monkeypatch.chdir(corpus.parent)
    write(Path("train.jsonl"), {"text": "a", "label": "good"}, {"text": "b", "label": "bad"})
    file = write(Path("labelled.json"), '[{"text": "a", "label": ')
    monkeypatch.setattr(looks, "LOOK_CHARACTERS", file.stat().st_size - is_long)
    overrides = ("experiment=train", "model=classifier", "examples.path=train.jsonl", "report.labelled=labelled.json")
    config, _ = load_config(overrides)
    with contextlib.nullcontext() if is_long else pytest.raises(UserError, match="malformed JSON"):
        look_at_inputs(config, wanted_steps(config))


def test_what_a_finished_run_was_given_is_not_looked_at_again(corpus: Path, tmp_path: Path) -> None:
    with (corpus / "queries.jsonl").open("a") as stream:
        stream.write("oops\n")
    config, text = load_config([*GIVEN, f"collection={corpus}", f"runs_dir={tmp_path}/runs", "until=documents"])
    [documents] = wanted_steps(config)
    with pytest.raises(UserError, match="malformed JSON") as caught:
        run(config, text)
    assert not list(tmp_path.glob("runs/store/documents/*")), "it is refused before documents are read"
    assert caught.value.where.startswith(f"{corpus}/queries.jsonl:")
    store, said = Store(tmp_path / "runs" / "store"), Console(RichConsole(file=io.StringIO()))
    shared = open_sharing(str(tmp_path / "runs"))
    folder = store.folder(documents.noun, documents.fingerprint)
    folder.mkdir(parents=True)
    (folder / DONE).touch()
    engine.run._look(config, [documents], shared, said)


def test_all_judged_queries_as_demonstrations_are_told_at_the_start(corpus: Path) -> None:
    def remarks(*overrides: str) -> list[str]:
        config, _ = load_config([*GIVEN, f"collection={corpus}", *overrides])
        said: list[str] = []
        look_at_inputs(config, wanted_steps(config), said.append)
        return said

    [told] = remarks("demonstrations.from_qrels=10")
    assert told == (
        f"demonstrations.from_qrels=10 shows all 10 judged queries of {corpus}/qrels/test.tsv, and none is left to "
        "measure with; set it to 9 or fewer"
    )
    assert remarks("demonstrations.from_qrels=9") == []
    assert remarks("demonstrations.from_qrels=10", "until=examples") == [], "nothing is measured"
    assert remarks() == []


def documents_of(config: RunConfig, folder: Path) -> Path:
    """The documents folder of a run, made by its own step."""
    folder.mkdir()
    load_documents(config.documents, {}, folder, cast(Place, SimpleNamespace(num_cpus=1, console=Console())))
    return folder


def test_what_the_report_will_not_measure_is_told(
    corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["experiment=adapt", f"collection={corpus}"]
    with (corpus / "queries.jsonl").open("a") as stream:
        stream.write('{"_id": "extra", "text": "who asked this"}\n')
    config, _ = load_config(common)
    check_judgements(config, documents_of(config, tmp_path / "all"), Console())
    assert "1 of 11 queries have no judgements in qrels/test.tsv" in capsys.readouterr().out
    config, _ = load_config([*common, "documents.limit=4"])
    check_judgements(config, documents_of(config, tmp_path / "four"), Console())
    assert "documents.limit=4 leaves out 6 of 10 judged documents" in capsys.readouterr().out
    config, _ = load_config([*common, "documents.path=elsewhere"])
    check_judgements(config, tmp_path / "is not looked at", Console())
    told = capsys.readouterr().out
    assert "1 of 11 queries" in told
    assert "documents are read from elsewhere" in told
    (corpus / "qrels" / "test.tsv").rename(corpus / "qrels" / "validation.tsv")
    config, _ = load_config(common)
    check_judgements(config, tmp_path / "all", Console())
    assert "there is qrels/validation.tsv" in capsys.readouterr().out


def test_a_judged_document_that_is_unknown_ends_the_run(corpus: Path, tmp_path: Path) -> None:
    config, _ = load_config(["experiment=adapt", f"collection={corpus}"])
    with (corpus / "qrels" / "test.tsv").open("a") as stream:
        stream.write("q0\tnowhere\t1\n")
    with pytest.raises(UserError, match="unknown document 'nowhere'"):
        check_judgements(config, documents_of(config, tmp_path / "all"), Console())


def test_languages_are_told_as_soon_as_documents_are_there(corpus: Path, tmp_path: Path) -> None:
    place = quiet_place(tmp_path)
    told = "BM25 reads the documents with several languages: no stemmer; language=NAME names one"
    for name, texts, is_told in (("both", [ENGLISH, GERMAN] * 3, True), ("one", [ENGLISH] * 3, False)):
        file = write(tmp_path / f"{name}.jsonl", *({"_id": str(n), "text": text} for n, text in enumerate(texts)))
        config, _ = load_config([*GIVEN, f"documents.path={file}"])
        folder = documents_of(config, tmp_path / name)
        before = printed(place)
        check_documents(config, folder, place, wanted_steps(config))
        assert (told in " ".join(printed(place)[len(before) :].split())) is is_told
    before = printed(place)
    for override in ("language=english", "report.language=none", "model=cross_encoder", "documents.reader=blank"):
        limit = ["documents.limit=2"] if "blank" in override else [f"documents.path={tmp_path / 'both.jsonl'}"]
        config, _ = load_config([*GIVEN, *limit, override])
        check_documents(config, tmp_path / "both", place, wanted_steps(config))
    config, _ = load_config([*GIVEN, f"documents.path={tmp_path / 'both.jsonl'}"])
    check_documents(config, tmp_path / "on another machine", place, wanted_steps(config))
    assert printed(place) == before


@pytest.mark.parametrize(
    ("overrides", "is_told"),
    [
        (["until=documents"], False),
        (["until=prompts"], False),
        (["until=samples"], False),
        (["until=examples"], True),
        (["until=examples", "examples.round_trip.hybrid=false"], False),
        (["until=examples", "examples.round_trip.enabled=false"], False),
        (["until=model", "examples.round_trip.hybrid=false"], False),
        (["until=model", "examples.round_trip.hybrid=false", "model.loss=kl", "model.teacher.by=fused"], True),
        (
            [
                "until=model",
                "examples.round_trip.hybrid=false",
                "model.loss=kl",
                "model.teacher.by=fused",
                "model.teacher.words=0",
            ],
            False,
        ),
        (["until=report", "examples.round_trip.hybrid=false"], True),
        (["chunk_sizes.tokens=[64]", "until=chunk_sizes", "examples.round_trip.hybrid=false"], True),
    ],
)
def test_languages_are_told_where_something_is_yet_to_search(
    tmp_path: Path, overrides: list[str], is_told: bool
) -> None:
    place = quiet_place(tmp_path)
    file = write(tmp_path / "both.jsonl", *({"_id": str(n), "text": text} for n, text in enumerate([ENGLISH, GERMAN])))
    config, _ = load_config([*GIVEN, f"documents.path={file}", *overrides])
    folder, chosen = documents_of(config, tmp_path / "documents"), wanted_steps(config)
    check_documents(config, folder, place, chosen)
    assert ("BM25 reads the documents with" in printed(place)) is is_told
    before, store = printed(place), Store(place.store_dir)
    for step in chosen:
        made = store.folder(step.noun, step.fingerprint)
        made.mkdir(parents=True, exist_ok=True)
        (made / DONE).touch()
    check_documents(config, folder, place, chosen)
    assert printed(place) == before, "who runs again what is finished was told"
