"""A run whose input lies behind URLs is the run whose input lies here."""

from engine.documents.config import DocumentsConfig
from engine.pipeline.config import RunConfig
from engine.pipeline.inputs import with_inputs_here
from engine.runtime.tracking import Mode, TrackingConfig
from engine.storage.remote.inputs import fetch_input
from eval.config import ReportConfig
from tests.support.object_store import Bucket, every_store


@every_store
def test_every_url_of_input_becomes_a_path(bucket: Bucket) -> None:
    bucket.objects().put("docs/corpus.jsonl", b'{"_id": "1", "text": "a text"}')
    url = f"{bucket.url}/docs"
    documents = DocumentsConfig(path=url, tokenizer="bundled:minilm", origins={"path": "collection"})
    config = RunConfig(collection=url, runs_dir=bucket.url, documents=documents, report=ReportConfig(benchmark=url))
    here = with_inputs_here(config)
    folder = str(fetch_input(url, where=""))
    assert (here.collection, here.documents.path, here.report.benchmark) == (folder, folder, folder)
    assert here.runs_dir == bucket.url, "that is no input"
    assert here.documents.origins == {"path": "collection"}
    assert here.documents.source().files[0].read_text().startswith('{"_id"')


def test_a_run_without_urls_is_left_as_it_is() -> None:
    tracking = TrackingConfig(mode=Mode.mlflow, uri="s3://bucket/mlflow")  # where it goes, and no input
    config = RunConfig(collection="docs", name="gs://is a name", tracking=tracking)
    assert with_inputs_here(config) is config
