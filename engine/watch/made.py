"""What generation has made of a run so far, at what cost, and how much of it passes the row filters.

In: a run folder. Out: figures, from records of finished samples folders, and from what engines note every few seconds
beside their parts (`attempt.json`) where one is being written. The driver is not asked: the filters are run here, on
the samples that were committed last. Of a run behind a URL it is a thread of the driver that does this, so that what is
in memory is bounded, whatever the size of parts, collection and store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
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
from engine.storage.store import EVERY_NOUN, StepRecord, Store, is_done, read_inputs, read_record
from engine.storage.typed import from_json_values
from eval.cost import Prices, price_of

_LOOKED_AT = 256
"""Samples that the filters are run on."""
_ROWS_READ = 1 << 17
"""Samples that are read to find these, where many failed: no further row group is begun behind so many."""
_ROWS_AT_ONCE = 1 << 10
"""Rows that are in memory at a time, ..."""
_BYTES_AT_ONCE = 1 << 20
"""... and bytes of a column of the file: a merged part has a million rows, and this may be done within the driver."""
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
    samples = {store.folder("samples", name) for store in stores for name in _with_inputs(names, store)}
    return {folder for folder in samples if folder.is_dir()}


def _with_inputs(names: set[str], store: Store) -> set[str]:
    """Adds to fingerprints those of all that they were made from, by the records of their folders and no others.

    `Store.with_inputs` looks at every folder of a store, which may be shared by tens of thousands.
    """
    known, waiting = set[str](), set(names)
    while waiting:
        name = waiting.pop()
        known.add(name)
        for noun in EVERY_NOUN:
            waiting |= read_inputs(store.folder(noun, name)) - known
    return known


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
    texts = _passage_texts(DocumentsFolder(run_dir / "documents"), samples["passage_id"].to_pylist())
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
    """Reads the generated samples at the ends of the newest parts, at least an empty table of them."""
    yield pa.RecordBatch.from_pylist([], _SCHEMA)
    left, to_read = _LOOKED_AT, _ROWS_READ
    for part in sorted(samples.parts(), key=_written, reverse=True):
        try:
            file = pq.ParquetFile(part, pre_buffer=False, buffer_size=_BYTES_AT_ONCE)
        except FileNotFoundError:  # merging deletes parts whose rows another one holds
            continue
        with file:
            for group in reversed(range(file.num_row_groups)):
                if left <= 0 or to_read <= 0:
                    return
                to_read -= file.metadata.row_group(group).num_rows
                last = _last_generated(file, group, left)
                left -= last.num_rows
                yield from last.to_batches()


def _last_generated(file: pq.ParquetFile, group: int, num: int) -> pa.Table:
    """Reads the last generated samples of a row group, `num` of them at most."""
    last = pa.Table.from_pylist([], _SCHEMA)
    columns = [*_SCHEMA.names, "status"]
    for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group], columns=columns, use_threads=False):
        generated = batch.filter(pc.equal(batch["status"], "generated")).select(_SCHEMA.names)
        last = pa.concat_tables([last, pa.Table.from_batches([generated]).cast(_SCHEMA)])
        last = last.slice(max(0, last.num_rows - num))
    return last


def _passage_texts(documents: DocumentsFolder, names: Sequence[str]) -> list[str]:
    """Reads the texts of some passages, of which only these are kept in memory.

    Raises:
        LookupError: there is no such passage.
    """
    wanted, texts = pa.array(sorted(set(names)), pa.string()), dict[str, str]()
    for batch in documents.stream(["passage_id", "title", "text"], _ROWS_AT_ONCE):
        for row in batch.filter(pc.is_in(batch["passage_id"], value_set=wanted)).to_pylist():
            texts[row["passage_id"]] = passage_text(row["title"], row["text"])
        if len(texts) == len(wanted):
            break
    if missing := [name for name in names if name not in texts]:
        raise LookupError(f"{documents.path} has no passage {missing[0]!r}")
    return [texts[name] for name in names]


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
