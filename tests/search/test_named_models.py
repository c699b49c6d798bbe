"""What the terminal says of the models that encode, and that these words are in no fingerprint of what they encode."""

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console as RichConsole

from engine.runtime.console import Console, Progress
from engine.runtime.identity import reachable
from engine.search.cross_encoder import CrossEncoderConfig
from engine.search.embeddings import encode_passages_cached
from engine.search.encoder import EncoderConfig
from engine.search.named_models import load_named_cross_encoder, load_named_encoder, vectors_by
from tests.support.models import write_cross_encoder
from tests.support.places import quiet_place
from tests.support.training import write_documents

CONFIG = EncoderConfig("bundled:all-minilm-l6-v2", query_prefix="", passage_prefix="", max_tokens=64, precision="fp32")


class Noted(Console):
    """A terminal that notes what is counted and waited for, however fast it goes."""

    def __init__(self) -> None:
        super().__init__(RichConsole(file=io.StringIO()))
        self.noted: list[str] = []

    @contextlib.contextmanager
    def progress(self, noun: str, total: int, unit: str, *, steady: bool = False) -> Iterator[Progress]:
        self.noted.append(f"{noun} {total} {unit}")
        with super().progress(noun, total, unit, steady=steady) as bar:
            yield bar

    @contextlib.contextmanager
    def waiting(self, noun: str, text: str) -> Iterator[None]:
        self.noted.append(f"{noun} {text}")
        with super().waiting(noun, text):
            yield


@pytest.mark.parametrize(
    ("model", "by", "short"),
    [
        ("tuned", "the tuned model", "tuned"),
        ("another", "another", "another"),
        ("", "bundled:all-minilm-l6-v2", "bundled:all-minilm-l6-v2"),
    ],
)
def test_the_terminal_says_which_model_encodes_what(tmp_path: Path, model: str, by: str, short: str) -> None:
    documents = write_documents(tmp_path / "0123456789abcdef", 2)
    console = Noted()
    place = replace(quiet_place(tmp_path), console=console)
    encoded = vectors_by(model, CONFIG, documents, place)
    looking = f"encoding looking for vectors of {by}, or loading it"
    assert console.noted == [looking, f"encoding 2 passages ({short})"]
    found = vectors_by(model, CONFIG, documents, place)
    load_named_encoder(model, CONFIG, place)
    assert console.noted[2:] == [looking, f"encoding loading {by}"], "they were found, so that nothing is counted"
    assert found.ids == encoded.ids
    np.testing.assert_array_equal(found.vectors, encode_passages_cached(CONFIG, documents, place).vectors)


def test_the_terminal_says_that_a_cross_encoder_is_loaded(tmp_path: Path) -> None:
    console = Noted()
    folder = write_cross_encoder(tmp_path / "scorer")
    load_named_cross_encoder(CrossEncoderConfig(str(folder)), replace(quiet_place(tmp_path), console=console))
    assert console.noted == [f"reranking loading the cross-encoder {folder.name}"]


@pytest.mark.parametrize(
    "module", ["engine.search.embeddings", "engine.examples.step", "training.step", "training.teachers.step"]
)
def test_no_word_of_the_terminal_is_in_the_fingerprint_of_what_is_costly(module: str) -> None:
    assert not {"engine.search.named_models", "engine.runtime.console"} & set(reachable(module))
