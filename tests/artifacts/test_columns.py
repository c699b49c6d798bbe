"""The schemas that steps hand to each other: ids first, no name twice, and writers that keep to them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.artifacts.columns import CONDITION_PREFIX, EXAMPLES, FAILED_DOCUMENTS, PASSAGES, PROMPTS, SAMPLES
from engine.artifacts.samples import samples_schema
from engine.documents.writer import PassageWriter
from engine.prompts.conditions.attributes import make_conditions
from engine.prompts.conditions.constraints import Drawer
from engine.prompts.plan import PlanSize, Sets, plan_samples
from engine.task.config import AttributeConfig

ALL = {
    "passages": (PASSAGES, "passage_id", pa.string()),
    "failed": (FAILED_DOCUMENTS, "document_id", pa.string()),
    "prompts": (PROMPTS, "sample_id", pa.int64()),
    "samples": (SAMPLES, "sample_id", pa.int64()),
    "examples": (EXAMPLES, "sample_id", pa.int64()),
}


@pytest.mark.parametrize("name", ALL)
def test_every_row_has_an_id_from_birth(name: str) -> None:
    schema, key, kind = ALL[name]
    assert schema.field(0) == pa.field(key, kind)
    assert len(set(schema.names)) == len(schema.names)
    assert not [column for column in schema.names if column.startswith(CONDITION_PREFIX)]


def test_samples_are_traced_to_their_passage_and_prompt() -> None:
    for schema in (PROMPTS, SAMPLES, EXAMPLES):
        assert {"sample_id", "passage_id"} <= set(schema.names)
    assert {"demonstration_set", "prompt_tokens"} <= set(PROMPTS.names) & set(SAMPLES.names)
    assert "document_id" in EXAMPLES.names


def test_the_documents_step_writes_its_schemas(tmp_path: Path) -> None:
    with PassageWriter(tmp_path):
        pass
    assert pq.read_schema(tmp_path / "passages.parquet") == PASSAGES
    assert pq.read_schema(tmp_path / "failed.parquet") == FAILED_DOCUMENTS


def test_plan_and_samples_carry_the_same_conditions() -> None:
    conditions = make_conditions({"form": AttributeConfig(["a"]), "length": AttributeConfig(["b"])})
    [plan] = plan_samples(["p"], Drawer(conditions), Sets(1), lambda rows, *_: rows, PlanSize(1, 0, 0))
    columns = [pa.field("condition_form", pa.string()), pa.field("condition_length", pa.string())]
    assert list(plan.schema) == [*PROMPTS, *columns]
    assert list(samples_schema(["form", "length"])) == [*SAMPLES, *columns]
