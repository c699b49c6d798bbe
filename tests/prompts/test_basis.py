"""What a plan rests on: demonstrations from every source, cut to their limit, and values that round 0 wrote."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.columns import EXAMPLES, PASSAGES, SAMPLES
from engine.artifacts.documents import PASSAGES_FILE
from engine.artifacts.examples import KEPT_FILE
from engine.artifacts.prompts import PromptsFolder
from engine.models.tokenizer import load_tokenizer
from engine.prompts.basis import gather_basis, read_basis, written_task
from engine.task.compiled import compile_task
from engine.task.config import AttributeConfig, WrittenConfig
from engine.task.render import Demonstration
from tests.support.committed import commit_table
from tests.support.corpus import write_corpus
from tests.support.planning import MODEL, passage_text, prompts_config


def test_the_general_set_is_the_pool_where_nothing_is_named(documents: Path) -> None:
    basis = gather_basis(prompts_config(), {"documents": documents})
    assert basis.task == basis.drawn == prompts_config().task
    assert len(basis.pool) == 48
    assert {shown.conditions["form"] for shown in basis.pool} > {"question", "keywords"}


def test_long_demonstrations_are_cut(documents: Path) -> None:
    pool = gather_basis(prompts_config(shown={"max_document_tokens": 5}), {"documents": documents}).pool
    tokenizer = load_tokenizer(MODEL, key="samples.model")
    assert all(shown.document.endswith(" ...") for shown in pool)
    assert {len(tokenizer.encode(shown.document.removesuffix(" ..."))) for shown in pool} == {5}


def test_takes_demonstrations_from_judgements(tmp_path: Path, documents: Path) -> None:
    collection = str(write_corpus(tmp_path / "beir", 20))
    judged = {"from_qrels": 4, "collection": collection, "complete": False}
    pool = gather_basis(prompts_config(shown=judged), {"documents": documents}).pool
    assert len(pool) == 4
    for shown in pool:
        number = int(shown.query_id.removeprefix("q"))
        assert shown.title == f"Title {number}"
        assert shown.document == f"Title {number}. {passage_text(number).strip()}"
        assert shown.conditions == {}, "judged queries carry no form"

    completed = gather_basis(prompts_config(shown=judged | {"complete": True}), {"documents": documents}).pool
    forms = {(bool(shown.query_id), shown.conditions["form"]) for shown in completed}
    assert forms == {(True, "question"), (False, "keywords")}, "the general set shows what they lack"


def test_a_title_with_which_the_text_begins_is_not_written_twice(tmp_path: Path) -> None:
    texts = [("Kites", "Kites dive without a tail."), ("Ice", "It floats."), ("", "Tea cools."), ("Empty", " ")]
    rows = [
        {"passage_id": f"d{i}#{part}", "document_id": f"d{i}", "title": title, "text": text if part == 1 else "Later."}
        for i, (title, text) in enumerate(texts)
        for part in (1, 2)
    ]
    del rows[-1]  # the last document has no text at all
    whole = [{"position": 0, "num_tokens": 4, **row} for row in rows]
    documents = tmp_path / "documents"
    documents.mkdir()
    pq.write_table(pa.Table.from_pylist(whole, PASSAGES), documents / PASSAGES_FILE)
    collection = str(write_corpus(tmp_path / "beir", 20))
    judged = {"from_qrels": 4, "collection": collection, "complete": False}
    pool = gather_basis(prompts_config(shown=judged), {"documents": documents}).pool
    assert {shown.query_id: shown.document for shown in pool} == {
        "q0": "Kites dive without a tail.",
        "q1": "Ice. It floats.",
        "q2": "Tea cools.",
        "q3": "Empty.",
    }, "the first passage of each document"


def write_samples(folder: Path, *texts: str) -> Path:
    """Writes a samples folder whose samples have these texts."""
    folder.mkdir()
    table = pa.Table.from_pylist([{"sample_id": number, "text": text} for number, text in enumerate(texts)], SAMPLES)
    commit_table(folder, table)
    return folder


def test_values_that_round_0_wrote_are_those_of_the_task(tmp_path: Path, documents: Path) -> None:
    task = {"attributes": {"topic": AttributeConfig(written=WrittenConfig("Topics:", 2))}}
    config = prompts_config(task)
    assert written_task(config.task, {"documents": documents}) is config.task, "round 0 wrote none"
    values = write_samples(tmp_path / "values", "pears\napples", "pears\nfigs", "pears\nfigs")
    basis = gather_basis(config, {"documents": documents, "values": values})
    assert basis.task.attributes == {"topic": AttributeConfig({"pears": 1.0, "figs": 1.0})}
    assert basis.task == basis.drawn


def test_demonstrations_that_round_0_wrote_are_the_pool(tmp_path: Path, documents: Path) -> None:
    schema = pa.schema([*EXAMPLES, ("condition_form", pa.string())])
    rows = [{"sample_id": i, "passage_id": f"d{i}", "query": f"q{i}", "condition_form": "question"} for i in range(3)]
    pq.write_table(pa.Table.from_pylist(rows, schema), tmp_path / KEPT_FILE)
    inputs = {"documents": documents, "demonstrations": tmp_path}
    pool = gather_basis(prompts_config(shown={"self_instruct": 2}), inputs).pool
    assert pool == [
        Demonstration(passage_text(number), f"q{number}", "", {"form": "question"}, f"Title {number}")
        for number in range(2)
    ]


def test_a_basis_is_read_back(tmp_path: Path) -> None:
    task = prompts_config().task
    pool = [Demonstration("a document", "a query", "q1", {"form": "question"}, "A title")]
    PromptsFolder(tmp_path).write_basis(task, pool, [pool])
    basis = read_basis(tmp_path)
    assert (basis.task, basis.pool, basis.drawn) == (task, pool, task)
    assert list(basis.compiled.turns) == list(compile_task(task).turns)
