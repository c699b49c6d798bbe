"""What curation has worked out of samples while others were generated, and where the examples step finds it.

    SAMPLES/followed.id                        a name that this samples folder alone has
    STORE/followed/NAME.KEY/rows-000007.parquet    verdicts and signatures of some thousand samples

In: samples that count. Out: files that are whole or absent. Rows that count never change as long as their folder is
there, wherever parts are merged to, so that a result belongs to the id of its sample. The name goes with the folder: of
one that was removed and made again nothing is found. KEY holds what a result depends on beside the sample: settings,
the code that judges and signs, and the library that reads texts. Who uses such a folder holds it (holding.py).
"""

from __future__ import annotations

import contextlib
import functools
import os
import uuid
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine.examples.duplicates.exact import Hashed, Ids, exact_hashes
from engine.examples.duplicates.minhash import Signatures, Signed, sign_texts
from engine.examples.following.holding import FOLDER, all_results, remove_results, samples_of, using_results
from engine.filters.chain import filter_batch
from engine.runtime.identity import identity_of, source_hash
from engine.storage.digests import digest
from engine.storage.files import locked, require_space, temporary_beside, write_text
from engine.storage.ids import IdSet, pack_ids
from engine.storage.parts import IDS_KEY, part_runs

if TYPE_CHECKING:
    import pyarrow as pa

    from engine.examples.config import ExamplesConfig
    from engine.examples.duplicates.config import DedupConfig
    from engine.filters.contract import PromptWords

_MARK = "followed.id"
FREE_SPACE_SETTING = "cluster.min_free_disk_bytes"
_MARKING = ".marking.lock"
"""Held by whoever gives a samples folder its name."""
_VERDICTS = ["sample_id", "query", "reason", "detail"]


def results_of(store_dir: Path, samples: Path, config: ExamplesConfig) -> Results:
    """Returns what is known of the samples of a folder; nothing where nobody has followed it."""
    mark = samples / _MARK
    return Results(_folder(store_dir, mark, config) if mark.exists() else None)


@contextlib.contextmanager
def reading_results(store_dir: Path, samples: Path, config: ExamplesConfig) -> Iterator[Results]:
    """Gives what is known of the samples of a folder, which stays there while the block lasts.

    When the block has ended well, what is known has been used: it is removed, unless another process uses it too.
    """
    results = results_of(store_dir, samples, config)
    if results.folder is None:
        yield results
        return
    with using_results(results.folder):
        yield results
    remove_results(results.folder)


def begin_results(store_dir: Path, samples: Path, config: ExamplesConfig) -> Path:
    """Returns the folder for results about a samples folder; removes those about earlier ones of that name.

    The folder is made by whoever writes to it, and holds it (`using_results`).
    """
    mark = samples / _MARK
    (store_dir / FOLDER).mkdir(parents=True, exist_ok=True)
    with locked(store_dir / FOLDER / _MARKING, wait=True):  # two runs may begin at the same time
        if not mark.exists():
            for former in all_results(store_dir):
                if samples_of(former) == samples.name:
                    remove_results(former)
            write_text(mark, f"{samples.name}-{uuid.uuid4().hex[:8]}")
    return _folder(store_dir, mark, config)


def belongs_to(folder: Path, samples: Path) -> bool:
    """Tells whether a folder of results is about a samples folder as it is now, and not one of that name before."""
    mark = samples / _MARK
    return mark.exists() and folder.name.startswith(f"{mark.read_text(encoding='ascii')}.")


def _folder(store_dir: Path, mark: Path, config: ExamplesConfig) -> Path:
    return store_dir / FOLDER / f"{mark.read_text(encoding='ascii')}.{_key(config)}"


def _key(config: ExamplesConfig) -> str:
    settings = [identity_of(config.filters), identity_of(config.dedup)]
    return digest([settings, source_hash(__name__), version("pyarrow"), version("numpy")])


def work_out(samples: pa.Table, passages: Sequence[str], prompt: PromptWords, config: ExamplesConfig) -> pa.Table:
    """Works out what is decided by each sample alone.

    Args:
        samples: generated ones, with the columns that `filter_batch` reads.
        passages: the text of each sample's passage.
        prompt: what must not come back.
        config: the filters, and what duplicates are told by.

    Returns:
        The columns of `filter_batch`, and those of hashes and signatures where duplicates are looked for.
    """
    import pyarrow as pa

    judged = filter_batch(samples, passages, prompt, config.filters)
    if not len(judged):
        return judged
    columns: dict[str, Any] = {}
    queries = judged["query"].combine_chunks().cast("large_string")
    if config.dedup.exact:
        columns["hash"] = exact_hashes(queries)
    if config.dedup.near:
        signed = sign_texts(judged["sample_id"].to_numpy(), queries, config.dedup)
        columns["num_shingles"] = signed.sizes
        columns["bands"] = _as_bytes(np.ascontiguousarray(signed.signatures.bands.T))
        columns["sketch"] = _as_bytes(signed.signatures.sketch)
    for name, column in columns.items():
        judged = judged.append_column(name, pa.array(column))
    return judged


class Results:
    """The results about the samples of one folder, by one set of settings.

    Args:
        folder: where they are; None stands for nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    @functools.cached_property
    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("rows-*.parquet")) if self.folder else []

    def ids(self) -> Ids:
        """Returns the ids of all samples that something is known of."""
        read = [table["sample_id"].to_numpy() for table in self._tables(["sample_id"])]
        return np.concatenate([np.empty(0, np.int64), *read])

    def covered(self, size: int) -> IdSet:
        """Returns the ids that need not be looked at again, those of samples that failed included.

        Args:
            size: ids of the plan are below it.
        """
        covered = IdSet(size)
        for file in self._files:
            covered.add_runs(part_runs(file))
        return covered

    def add(self, results: pa.Table, looked_at: Ids, *, free_bytes: int = 0) -> None:
        """Keeps some more results.

        Args:
            results: what `work_out` gives.
            looked_at: the ids of the samples behind them, and of samples that failed.
            free_bytes: what has to stay free on the disk, for those who generate.

        Raises:
            UserError: less than that is free.
        """
        import pyarrow.parquet as pq

        assert self.folder, "somewhere to keep them"
        require_space(self.folder, free_bytes + results.nbytes, FREE_SPACE_SETTING)
        file = self.folder / f"rows-{len(self._files):06d}.parquet"
        with temporary_beside(file) as temporary:
            marked = results.replace_schema_metadata({IDS_KEY: pack_ids(np.sort(looked_at))})
            with temporary.open("wb") as stream:
                pq.write_table(marked, stream, compression="lz4")
                stream.flush()
                os.fsync(stream.fileno())
            temporary.rename(file)
        self._files.append(file)

    def verdicts(self) -> Iterator[pa.Table]:
        """Yields the columns that `filter_batch` gives, each sample once."""
        return self._tables(_VERDICTS)

    def hashes(self) -> Iterator[Hashed]:
        """Yields the hashes that exact duplicates are told by."""
        for table in self._tables(["sample_id", "hash"]):
            yield Hashed(table["sample_id"].to_numpy(), table["hash"].to_numpy())

    def signatures(self, config: DedupConfig) -> Iterator[Signed]:
        """Yields the signatures that near duplicates are found by, made with these settings."""
        for table in self._tables(["sample_id", "num_shingles", "bands", "sketch"]):
            bands = _from_bytes(table["bands"], np.dtype(np.uint32), config.bands).T
            sketch = _from_bytes(table["sketch"], np.dtype(np.uint8), config.bands * config.rows_per_band)
            yield Signed(table["sample_id"].to_numpy(), Signatures(bands, sketch), table["num_shingles"].to_numpy())

    def _tables(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        import pyarrow.parquet as pq

        for file in self._files:
            with pq.ParquetFile(file, pre_buffer=False) as rows:
                if rows.metadata.num_rows:  # one about samples that all failed lacks columns
                    yield rows.read([*columns])


def _as_bytes(rows: npt.NDArray[Any]) -> pa.Array:
    """Makes a column of the bytes of each row, (rows, n)."""
    import pyarrow as pa

    width = rows.shape[1] * rows.itemsize
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(rows), [None, pa.py_buffer(rows)])


def _from_bytes(column: pa.ChunkedArray, dtype: np.dtype[Any], width: int) -> npt.NDArray[Any]:
    """Reads what `_as_bytes` made, (rows, width)."""
    read = []
    for chunk in column.chunks:
        end = chunk.offset + len(chunk)
        read.append(np.frombuffer(chunk.buffers()[1], dtype, end * width).reshape(end, width)[chunk.offset :])
    return np.concatenate(read)
