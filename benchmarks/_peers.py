"""The evaluations of other packages that `benchmarks/evaluation.py` measures beside ours, each in a process of its own.

In: a collection, a model and a precision. Out: seconds, memory and scores, as each package gives them. All sides read
the collection in the same way before the clock starts, and encode the same texts with the same weights.

mteb and BEIR are not among the packages of this project, and never to be installed into its environment. They are
measured with an interpreter that has them beside what is installed there, so that torch and sentence-transformers are
the same:

    python3 -m venv /tmp/peers
    echo "$PWD/.venv/lib/python3.11/site-packages" > /tmp/peers/lib/python3.11/site-packages/project.pth
    /tmp/peers/bin/pip install mteb beir
    .venv/bin/python benchmarks/evaluation.py --mteb-python /tmp/peers/bin/python

Both round each mean to five digits.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

from benchmarks._collection import MAX_TOKENS, K, figures_since, read_collection, renamed

if TYPE_CHECKING:
    from eval.retrieval.benchmark import Benchmark
    from eval.retrieval.corpus import Corpus

PEERS = ("mteb", "beir")
"""The packages that may be measured, by the names under which they are imported."""
DEPTHS = (1, 3, 10, K)
"""The depths that metrics are asked for; more of them would only cost time."""
NAMES = {
    "ndcg@10": "ndcg@10",
    "mrr@10": "mrr@10",
    "recall@100": "recall@100",
    "hit@1": "accuracy@1",
    "hit@3": "accuracy@3",
    "hit@10": "accuracy@10",
    "map@100": "map@100",
}
"""The metrics by our names, and the names of sentence-transformers."""
_MTEB_NAMES = {
    "ndcg@10": "ndcg_at_10",
    "mrr@10": "mrr_at_10",
    "recall@100": "recall_at_100",
    "hit@1": "hit_rate_at_1",
    "hit@3": "hit_rate_at_3",
    "hit@10": "hit_rate_at_10",
    "map@100": "map_at_100",
}
"""The same of mteb; a version that lacks one is not compared by it."""
_FIND = f"import importlib.util as u; print(*[name for name in {PEERS} if u.find_spec(name)])"


def peers_of(python: str) -> list[str]:
    """Which of the packages an interpreter has."""
    return subprocess.run([python, "-c", _FIND], capture_output=True, text=True, check=True).stdout.split()


def sentence_transformers_side(collection: str, model: str, precision: str) -> dict[str, Any]:
    """The evaluator of sentence-transformers; runs in its own process."""
    from sentence_transformers.sentence_transformer.evaluation import InformationRetrievalEvaluator

    corpus, benchmark = read_collection(collection)
    loaded, names = _sentence_transformer(model, precision), renamed(corpus)
    started = time.monotonic()
    evaluator = InformationRetrievalEvaluator(
        queries=dict(benchmark.queries),
        corpus=dict(zip(names.values(), corpus.encoded_texts(), strict=True)),
        relevant_docs={
            query: {names[document] for document, grade in judged.items() if grade > 0 and document in names}
            for query, judged in benchmark.qrels.items()
        },
        precision_recall_at_k=[K],
        write_csv=False,
    )
    values = evaluator(loaded)
    return figures_since(started, {name: float(values[f"cosine_{theirs}"]) for name, theirs in NAMES.items()})


def mteb_side(collection: str, model: str, precision: str) -> dict[str, Any]:
    """A retrieval task of mteb's, made of the collection; runs in its own process, where the package is installed."""
    import mteb

    corpus, benchmark = read_collection(collection)
    loaded, task = _sentence_transformer(model, precision), _mteb_task(corpus, benchmark)
    started = time.monotonic()
    result = mteb.evaluate(
        loaded,
        task,
        encode_kwargs={"batch_size": 32},
        cache=None,
        overwrite_strategy="always",
        show_progress_bar=False,
    )
    [values] = result.task_results[0].scores["test"]
    return figures_since(
        started, {name: float(values[theirs]) for name, theirs in _MTEB_NAMES.items() if theirs in values}
    )


def _mteb_task(corpus: Corpus, benchmark: Benchmark) -> Any:
    """The collection as a task of mteb's; its documents and queries are data sets, which is not part of the clock."""
    from datasets import Dataset
    from mteb.abstasks.retrieval import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    class Collection(AbsTaskRetrieval):  # type: ignore[misc]
        metadata = TaskMetadata(
            name="Collection",
            description="A collection in the form of BEIR.",
            dataset={"path": "local/collection", "revision": "1"},
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
            reference=None,
            date=None,
            domains=None,
            task_subtypes=None,
            license=None,
            annotations_creators=None,
            dialect=None,
            sample_creation=None,
            bibtex_citation=None,
        )
        k_values = DEPTHS
        _top_k = K

        def load_data(self, **_: object) -> None:
            documents = {"id": corpus.passage_ids, "title": [""] * len(corpus.texts), "text": corpus.encoded_texts()}
            split = {
                "corpus": Dataset.from_dict(documents),
                "queries": Dataset.from_dict({"id": list(benchmark.queries), "text": [*benchmark.queries.values()]}),
                "relevant_docs": {query: dict(judged) for query, judged in benchmark.qrels.items()},
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

    task = Collection()
    task.load_data()
    return task


def beir_side(collection: str, model: str, precision: str) -> dict[str, Any]:
    """BEIR's exact search and metrics; runs in its own process, where the package is installed."""
    from beir.retrieval.evaluation import EvaluateRetrieval
    from beir.retrieval.search.dense import DenseRetrievalExactSearch

    corpus, benchmark = read_collection(collection)
    encoder = _BeirEncoder(_sentence_transformer(model, precision))
    texts = {
        name: {"title": "", "text": text} for name, text in zip(corpus.passage_ids, corpus.encoded_texts(), strict=True)
    }
    qrels = {query: dict(judged) for query, judged in benchmark.qrels.items()}
    started = time.monotonic()
    search = DenseRetrievalExactSearch(encoder, batch_size=32)
    retriever = EvaluateRetrieval(search, k_values=list(DEPTHS), score_function="cos_sim")
    found = retriever.retrieve(texts, dict(benchmark.queries))
    ndcg, average, recall, _ = retriever.evaluate(qrels, found, list(DEPTHS))
    reciprocal = retriever.evaluate_custom(qrels, found, list(DEPTHS), "mrr")
    hits = retriever.evaluate_custom(qrels, found, list(DEPTHS), "acc")
    return figures_since(
        started,
        {
            "ndcg@10": ndcg["NDCG@10"],
            "mrr@10": reciprocal["MRR@10"],
            "recall@100": recall["Recall@100"],
            "map@100": average["MAP@100"],
            **{f"hit@{depth}": hits[f"Accuracy@{depth}"] for depth in (1, 3, 10)},
        },
    )


class _BeirEncoder:
    """What BEIR's SentenceBERT does with texts; the module of that class needs a vLLM of its time to be imported."""

    def __init__(self, model: Any) -> None:
        self._model = model

    def encode_queries(self, queries: list[str], **settings: Any) -> Any:
        """The vectors of queries."""
        return self._model.encode(queries, **settings)

    def encode_corpus(self, corpus: list[dict[str, str]], **settings: Any) -> Any:
        """The vectors of documents."""
        return self._model.encode([document["text"] for document in corpus], **settings)


def _sentence_transformer(model: str, precision: str) -> Any:
    """The model in a precision, as all of these packages take it."""
    import torch
    from sentence_transformers import SentenceTransformer

    from engine.models.resolve import resolve_model

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    folder = str(resolve_model(model, key="--model"))
    loaded = SentenceTransformer(folder, device="cpu", local_files_only=True, model_kwargs={"dtype": dtype})
    loaded.max_seq_length = MAX_TOKENS
    return loaded


SIDES = {"sentence_transformers": sentence_transformers_side, "mteb": mteb_side, "beir": beir_side}
"""All sides beside ours."""
