"""The rows of a plan that are still to be written, found by their key: 24 bytes a row.

In: a plan, and what of it is committed. Out: for rows that another plan has, the ids and demonstration sets that this
plan has given to their keys. Keys are told by 64 bits of their hashes, so that two of ten million are taken for one in
one plan of 300,000; who takes a row over compares its prompt as well.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from engine.artifacts.prompts import PromptsFolder
from engine.storage.ids import IdSet
from engine.text.hashes import Hashes, mix, text_hashes

KEY = ["passage_id", "cell", "replicate", "round"]
"""Columns that name a sample across plans: another plan numbers its samples otherwise."""

_CELL, _REPLICATE, _ROUND = range(3)
"""Streams of the hash of a key."""


class PlannedIndex:
    """An index of the rows of a plan that are not committed.

    Args:
        prompts: the plan; it is read once, file by file.
        committed: ids that are left out.
    """

    def __init__(self, prompts: PromptsFolder, committed: IdSet) -> None:
        self._texts: list[str] = []
        code_of: dict[str, int] = {}
        pieces = [(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0, np.int32), np.empty(0, np.int32))]
        for file in prompts.plan_files():
            if committed.count_between(file.first, file.last) == file.rows:
                continue
            rows = pq.read_table(file.path, columns=["sample_id", *KEY, "demonstration_set", "demonstrations"])
            rows = rows.filter(pa.array(~committed.contains(rows["sample_id"].to_numpy())))
            shown = rows["demonstrations"].combine_chunks().dictionary_encode()
            codes = [code_of.setdefault(text, len(code_of)) for text in shown.dictionary.to_pylist()]
            pieces.append(
                (
                    key_hashes(rows),
                    rows["sample_id"].to_numpy(),
                    rows["demonstration_set"].to_numpy(),
                    np.array(codes, np.int32)[shown.indices.to_numpy()],
                )
            )
        hashes, ids, sets, shown_codes = (np.concatenate(columns) for columns in zip(*pieces, strict=True))
        order = np.argsort(hashes)
        self._hashes, self._ids, self._sets, self._shown = hashes[order], ids[order], sets[order], shown_codes[order]
        self._texts = list(code_of)

    def find(self, rows: pa.Table) -> pa.Table:
        """Finds those of n rows whose key is planned.

        Args:
            rows: with the columns `KEY`.

        Returns:
            Columns `row` (the index in `rows`, ascending), `sample_id`, `demonstration_set` and `demonstrations`.
        """
        hashes = key_hashes(rows)
        places = np.minimum(np.searchsorted(self._hashes, hashes), max(0, len(self._hashes) - 1))
        is_planned = self._hashes[places] == hashes if len(self._hashes) else np.zeros(len(hashes), np.bool_)
        planned = places[is_planned]
        return pa.table(
            {
                "row": np.flatnonzero(is_planned),
                "sample_id": self._ids[planned],
                "demonstration_set": self._sets[planned],
                "demonstrations": pa.array([self._texts[code] for code in self._shown[planned]], pa.string()),
            }
        )


def key_hashes(rows: pa.Table) -> Hashes:
    """Hashes the key of each row, (n,)."""
    cells = rows["cell"].combine_chunks().dictionary_encode()
    of_cells = mix(text_hashes(cells.dictionary.to_pylist()), 0, _CELL)[cells.indices.to_numpy()]
    hashes = text_hashes(rows["passage_id"].to_pylist()) ^ of_cells
    hashes = mix(hashes, 0, _REPLICATE, rows["replicate"].to_numpy())
    return mix(hashes, 0, _ROUND, rows["round"].to_numpy())
