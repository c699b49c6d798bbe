"""What generation has made of a run so far, at what cost, and how much of it passes the row filters.

In: a run folder. Out: figures, from records of finished samples folders, and from what engines note every few seconds
beside their parts (`attempt.json`) where one is being written. The driver is not asked, and does nothing for it: the
filters are run here, on the samples that were committed last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from engine.artifacts.documents import DocumentsFolder, passage_text
from engine.artifacts.examples import ExamplesFolder
from engine.artifacts.prompts import PromptsFolder
from engine.artifacts.samples import EngineTime, SamplesFolder, SamplesRecord
from engine.filters.chain import FiltersConfig, filter_batch
from engine.filters.plans import words_of_plan
from engine.generation.totals import add_up, engine_time
from engine.runtime.step import PART_FOLDERS
from engine.samples.starts import read_starts
from engine.storage.run_folders import config_file
from engine.storage.store import StepRecord, Store, is_done, read_record
from engine.storage.typed import from_json_values
from eval.cost import Prices, price_of

_LOOKED_AT = 256
"""Samples that the filters are run on."""
_SCHEMA = pa.schema(
    [
        ("sample_id", pa.int64()),
        ("passage_id", pa.string()),
        ("text", pa.string()),
        ("logprob", pa.float64()),
        ("finish_reason", pa.string()),
    ]
)
"""What the filters read of a sample."""


@dataclass(frozen=True)
class Made:
    """What was generated in all samples folders of a run."""

    generated: int
    failed: int
    cpu_seconds: float
    """Engine time, summed over the cores that engines held."""
    gpu_seconds: float
    """Engine time, summed over the GPUs that engines held."""
    price: float | None
    """Price of that time by the prices of the run; None without any."""


@dataclass(frozen=True)
class Kept:
    """How much of what was made is kept."""

    kept: int
    of: int
    is_curated: bool
    """Whether curation has decided; else the row filters let pass so many of the samples that were committed last,
    before duplicates, judges and the round trip are looked for."""


def made_so_far(run_dir: Path, elsewhere: Callable[[Path], StepRecord | None] = lambda _: None) -> Made | None:
    """Adds up what the samples folders of a run hold, parts and earlier rounds included; None where there are none.

    Args:
        run_dir: the run folder.
        elsewhere: reads what made a finished folder that the run links to and that is not on this disk; None where
            nobody knows. Of those of earlier rounds only what is here counts.
    """
    links = {folder.resolve() for folder in samples_folders(run_dir) if folder.is_symlink() or folder.exists()}
    folders = {folder for folder in links if folder.exists()} | _of_earlier_rounds(run_dir)
    records = [record for folder in sorted(links - folders) if (record := elsewhere(folder))]
    if not folders and not records:
        return None
    amounts = [_amounts(folder) for folder in sorted(folders)]
    amounts += [_of_record(from_json_values(SamplesRecord, record.record)) for record in records]
    cpu, gpu = (sum(getattr(time, name) for _, _, time in amounts) for name in ("cpu_seconds", "gpu_seconds"))
    samples = _settings(run_dir).get("samples", {})
    prices = Prices(samples.get("price_per_gpu_hour", 0.0), samples.get("price_per_cpu_hour", 0.0))
    return Made(
        generated=sum(generated for generated, _, _ in amounts),
        failed=sum(failed for _, failed, _ in amounts),
        cpu_seconds=cpu,
        gpu_seconds=gpu,
        price=price_of(EngineTime(cpu, gpu), prices),
    )


def samples_folders(run_dir: Path) -> list[Path]:
    """Lists where a run and its parts link to samples, made or not; of several rounds to those of the last one."""
    return [part / "samples" for part in _parts(run_dir)]


def _parts(run_dir: Path) -> list[Path]:
    return [run_dir, *(part for name in PART_FOLDERS for part in sorted(run_dir.glob(f"{name}/*")))]


def _of_earlier_rounds(run_dir: Path) -> set[Path]:
    """Finds the samples that the plan and the samples of a run were made from: those of earlier rounds, and theirs."""
    entries = [part / noun for part in _parts(run_dir) for noun in ("prompts", "samples")]
    linked = [entry.resolve() for entry in entries if entry.is_symlink()]
    stores = {Store(folder.parent.parent) for folder in linked}
    names = {folder.name for folder in linked}
    samples = {store.folder("samples", name) for store in stores for name in store.with_inputs(names)}
    return {folder for folder in samples if folder.is_dir()}


def _amounts(folder: Path) -> tuple[int, int, EngineTime]:
    """Returns what engines generated for a folder, what failed, and their time; rows that were taken over are none."""
    engines = [engine for start in read_starts(folder) for engine in start.engines]
    together = add_up(engines)
    if not is_done(folder):
        return together.generated, together.failed, engine_time(engines)
    return _of_record(SamplesFolder(folder).record(), together.failed if engines else None)


def _of_record(record: SamplesRecord, failed_here: int | None = None) -> tuple[int, int, EngineTime]:
    """Returns the same of a finished folder; of its failed rows, others failed in the folder they were taken from."""
    written = record.planned - record.carried
    failed = min(record.failed, written if failed_here is None else failed_here)
    return max(0, written - failed), failed, record.cost


def kept_so_far(run_dir: Path) -> Kept | None:
    """Tells how much is kept: as curation decided, or else as the row filters would; None where nothing tells."""
    if _is_curated(run_dir):
        record = ExamplesFolder(run_dir / "examples").record()
        return Kept(record.kept, record.kept + sum(record.rejected.values()), is_curated=True)
    needed = (run_dir / "samples", run_dir / "documents", run_dir / "prompts")
    if not all(folder.exists() for folder in needed):
        return None
    samples = pa.Table.from_batches(_latest(SamplesFolder(run_dir / "samples")))
    if not samples.num_rows:
        return None
    passages = DocumentsFolder(run_dir / "documents").some(set(samples["passage_id"].to_pylist()))
    about = [passages[name] for name in samples["passage_id"].to_pylist()]
    texts = [passage_text(passage["title"], passage["text"]) for passage in about]
    judged = filter_batch(samples, texts, words_of_plan(PromptsFolder(run_dir / "prompts")), _filters(run_dir))
    return Kept(pc.sum(pc.equal(judged["reason"], "")).as_py(), samples.num_rows, is_curated=False)


def _is_curated(run_dir: Path) -> bool:
    """Tells whether the examples that are there were made from the samples that are there: rounds replace these first.

    Examples that were given were made from none.
    """
    examples, samples = run_dir / "examples", run_dir / "samples"
    if not is_done(examples):
        return False
    source = read_record(examples).inputs.get(samples.name)
    return source is None or not samples.exists() or source == samples.resolve().name


def _latest(samples: SamplesFolder) -> Iterator[pa.RecordBatch]:
    """Reads the generated samples of the newest parts, at least an empty table of them."""
    yield pa.RecordBatch.from_pylist([], _SCHEMA)
    left = _LOOKED_AT
    for part in sorted(samples.parts(), key=_written, reverse=True):
        if left <= 0:
            return
        try:
            table = pq.read_table(part, columns=_SCHEMA.names, filters=[("status", "==", "generated")])
        except FileNotFoundError:  # merging deletes parts whose rows another one holds
            continue
        rows = table.slice(max(0, table.num_rows - left)).cast(_SCHEMA)
        left -= rows.num_rows
        yield from rows.to_batches()


def _written(part: Path) -> float:
    try:
        return part.stat().st_mtime
    except FileNotFoundError:  # merged away
        return 0.0


def _filters(run_dir: Path) -> FiltersConfig:
    """Reads the row filters of a run from its config."""
    values = _settings(run_dir).get("examples", {}).get("filters", {})
    known = {field.name for field in fields(FiltersConfig)}
    return FiltersConfig(**{name: value for name, value in values.items() if name in known})


def _settings(run_dir: Path) -> Mapping[str, Any]:
    """Reads the config that a run was last started with."""
    file = config_file(run_dir)
    values: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}
    return values or {}
