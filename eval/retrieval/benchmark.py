"""Reads questions with judgements, on which retrieval quality is measured and nothing is trained.

In: a collection folder (BEIR layout: queries.jsonl, qrels/SPLIT.tsv) or the name of a benchmark that ships with
synthmill. Out: a Benchmark, without the queries that served as demonstrations and those that no document answers.
A held-out set of synthetic queries takes the same form, so that one piece of code scores both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from engine.artifacts.collection import has_benchmark, load_collection, queries_file, read_queries
from engine.artifacts.judgements import list_splits, whereabouts
from engine.errors import UserError, suggest
from engine.storage.digests import digest
from engine.text.hashes import text_hash

KEY = "report.benchmark"
"""The config key that names the benchmark, unless it follows another key."""
PACKAGED = Path(__file__).resolve().parents[1] / "benchmarks"
"""Benchmarks that come with synthmill, one folder each."""


@dataclass(frozen=True)
class Benchmark:
    """Queries and their judgements.

    Attributes:
        name: the name that reports give it.
        queries: texts of the queries, by query id.
        qrels: query id -> document id -> grade, for the same queries; each has at least one relevant document.
        left_out: number of queries that were not taken, by reason.
        sources: query id -> id of the document that the query was written from, for synthetic queries. Those of one
            document are not independent of each other; queries of people, which have no source, are.
    """

    name: str
    queries: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, int] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)

    def told_left_out(self) -> str:
        """Says how many of the judged queries were not taken, and why; "" where all were."""
        return left_out_in_words(self.name, len(self.queries), self.left_out)

    def unit_of(self, query_id: str, original_of: Mapping[str, str]) -> str:
        """Returns what a query is drawn with: the document that it was written from, copies being one, or itself.

        Args:
            query_id: a query.
            original_of: document id -> id of the document that it is a copy of, `Corpus.original_of`. The id of a query
                of people, which has no source, may be that of a document, and is no copy of one for that.
        """
        source = self.sources.get(query_id)
        return query_id if source is None else original_of.get(source, source)

    def missing_documents(self, document_ids: Collection[str]) -> int:
        """Counts the relevant documents that the run does not have, so that no system can find them."""
        return len(self.relevant_documents().difference(document_ids))

    def relevant_documents(self) -> set[str]:
        """Returns the ids of the documents that are relevant to some query."""
        return {document for judged in self.qrels.values() for document, grade in judged.items() if grade > 0}


def left_out_in_words(name: str, taken: int, left_out: Mapping[str, int]) -> str:
    """Says how many judged queries of a benchmark were not taken, and why.

    Args:
        name: of the benchmark.
        taken: number of queries that were taken.
        left_out: number of those that were not, by reason.

    Returns:
        Such as `1 of 10 judged queries of tiny left out: no relevant document`; "" where all were taken.
    """
    count = sum(left_out.values())
    if not count:
        return ""
    shown = {reason: "shown as demonstration" if reason == "demonstration" else reason for reason in left_out}
    told = [shown[reason] if len(left_out) == 1 else f"{left_out[reason]:,} {shown[reason]}" for reason in left_out]
    return f"{count:,} of {taken + count:,} judged queries of {name} left out: {', '.join(told)}"


def benchmark_folder(name: str, *, key: str = KEY) -> Path | None:
    """Finds the folder of a benchmark; None for "", and for a folder or file without queries and judgements.

    Args:
        name: a collection folder, the name of a packaged benchmark, or "".
        key: the config key that the user wrote it under, for messages.

    Raises:
        UserError: `name` is neither a path that exists nor the name of a packaged benchmark.
    """
    path = _folder(name, key)
    return path if path and path.is_dir() and has_benchmark(path) else None


def _folder(name: str, key: str) -> Path | None:
    """Finds what a benchmark's name stands for, which may be a file; None for ""."""
    if not name:
        return None
    packaged = {folder.name: folder for folder in PACKAGED.glob("*") if folder.is_dir()}
    path = packaged.get(name, Path(name).expanduser())
    if not path.exists():
        remedy = f"name a folder with queries.jsonl and qrels/, or a benchmark that ships: {suggest(name, packaged)}"
        raise UserError("there is no such folder", where=f"{key}={name}", remedy=remedy)
    return path


def check_split(folder: Path, split: str) -> None:
    """Refuses a split that the benchmark lacks before anything expensive starts.

    Raises:
        UserError: the folder has judgements of other splits only.
    """
    splits = list_splits(folder)
    if split not in splits:
        message = f"{folder} has no judgements of this name: {whereabouts(folder, split)}"
        raise UserError(message, where=f"report.split={split}", remedy=suggest(split, splits))


def load_benchmark(name: str, split: str, exclude: Collection[str] = (), *, key: str = KEY) -> Benchmark | None:
    """Reads a benchmark; None when there are no queries or no judgements to read.

    Args:
        name: a collection folder, the name of a packaged benchmark, or "".
        split: name of the judgements to use: qrels/SPLIT.tsv, or another form that `judgements` reads.
        exclude: ids of queries that were shown to the generator as demonstrations.
        key: the config key that the user wrote the name under, for messages.

    Raises:
        UserError: no such folder or split, a malformed line, or judgements of a query that does not exist.
    """
    folder = benchmark_folder(name, key=key)
    if folder is None:
        return None
    check_split(folder, split)
    collection = load_collection(folder, split)
    return make_benchmark(folder.resolve().name, collection.queries, collection.qrels, exclude)


def load_queries(name: str, exclude: Collection[str] = (), limit: int = 0, *, key: str = KEY) -> dict[str, str]:
    """Reads the queries of a collection, judged or not, text by query id; empty where it has none.

    Args:
        name: a collection folder, the name of a packaged benchmark, or "".
        exclude: ids of queries that were shown to the generator as demonstrations.
        limit: most queries to take, drawn by a hash of their ids; 0 takes all.
        key: the config key that the user wrote the name under, for messages.

    Raises:
        UserError: no such folder, or a malformed line.
    """
    folder = _folder(name, key)
    if folder is None or not folder.is_dir() or not queries_file(folder):
        return {}
    queries = {query_id: text for query_id, text in read_queries(folder).items() if query_id not in exclude}
    drawn = sorted(queries, key=text_hash)[: limit or None]
    return {query_id: queries[query_id] for query_id in sorted(drawn)}


def benchmark_digest(name: str, split: str, *, key: str = KEY) -> str:
    """Returns the digest of a benchmark's name, queries and judgements, wherever its folder lies; "" without any.

    Raises:
        UserError: the benchmark cannot be read; see `load_benchmark`.
    """
    benchmark = load_benchmark(name, split, key=key)
    return digest([benchmark.name, benchmark.queries, benchmark.qrels]) if benchmark else ""


def make_benchmark(
    name: str,
    queries: Mapping[str, str],
    qrels: Mapping[str, Mapping[str, int]],
    exclude: Collection[str] = (),
) -> Benchmark:
    """Leaves out demonstrations and queries that no document answers, and counts them.

    Queries of other splits, which `qrels` does not name at all, are not counted.
    """
    left_out: Counter[str] = Counter()
    taken = []
    for query_id in sorted(qrels):
        if query_id in exclude:
            left_out["demonstration"] += 1
        elif not any(grade > 0 for grade in qrels[query_id].values()):
            left_out["no relevant document"] += 1
        else:
            taken.append(query_id)
    texts = {query_id: queries[query_id] for query_id in taken}
    return Benchmark(name, texts, {query_id: dict(qrels[query_id]) for query_id in taken}, dict(left_out))
