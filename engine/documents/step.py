"""The documents step reads a collection of any form and writes its passages.

In: a path, or the Python that runs. Out: `passages.parquet` (`columns.PASSAGES`) in the order of reading, one row
group per few thousand passages, and `failed.parquet` with every document that gave none and why. The step's
fingerprint holds what the documents are, not where they lie, so a folder that moved is not read again.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from engine.artifacts.documents import FAILED_FILE, DocumentsRecord
from engine.documents.chunking import chunk_documents
from engine.documents.config import DocumentsConfig
from engine.documents.readers.fields import Fields
from engine.documents.readers.listing import other_files
from engine.documents.readers.source import Reader, Source, read_documents
from engine.documents.refusal import list_reasons, refuse_nothing
from engine.documents.windows import ChunkSize
from engine.documents.writer import PassageWriter
from engine.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from engine.runtime.place import Place


def load_documents(
    config: DocumentsConfig,
    inputs: Mapping[str, Path],  # noqa: ARG001 (the first step has none)
    output: Path,
    place: Place,
) -> DocumentsRecord:
    """Reads, cleans and chunks the documents; one that gives no passage is a row of failed.parquet.

    Args:
        config: which documents, and how they are cut.
        inputs: folders of earlier steps; there are none.
        output: the folder that both files are written to.
        place: where the step runs.

    Raises:
        UserError: the input as a whole is wrong, or no document gives a passage.
    """
    source = config.source()
    tokenizer = load_tokenizer(config.tokenizer, key=config.key("tokenizer"))
    size = ChunkSize(config.max_tokens, config.overlap_tokens, config.min_tokens)
    fields = Fields(config.id_field, config.title_field, config.text_field, tuple(config.keep_fields))
    for remark in source.remarks():
        place.console.step("documents", remark)
    documents = itertools.islice(read_documents(source, fields, place.console.warn), config.limit or None)
    with PassageWriter(output, config.keep_fields) as writer:
        for document in chunk_documents(documents, tokenizer, size, place.num_cpus):
            writer.add(document)
    refuse_nothing(writer.documents, writer.passages, writer.failed, config)
    _tell_left_out(writer, source, place)
    return DocumentsRecord(
        reader=source.reader.value,
        documents=writer.documents,
        passages=writer.passages,
        tokens=writer.tokens,
        failed=dict(sorted(writer.failed.items())),
    )


def _tell_left_out(writer: PassageWriter, source: Source, place: Place) -> None:
    """Says how many documents gave no passage, and which files of a folder were not read."""
    if writer.failed:
        reasons = list_reasons(writer.failed)
        place.console.warn(f"{reasons} of {writer.documents:,} documents; see documents/{FAILED_FILE}")
    if source.reader is Reader.tree and (others := other_files(source.path)):
        kinds = ", ".join(f"{number:,} {ending}" for ending, number in others.most_common(5))
        place.console.step("documents", f"left out, being of other kinds: {kinds}")
