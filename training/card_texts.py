"""What a model card says of each family: what the model is, how it is loaded, and what the hub files it under.

In: nothing. Out: texts with places for what `training.card` knows of a model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from training.config import Family

_RETRIEVAL_TAGS = ("sentence-transformers", "sentence-similarity", "feature-extraction")


@dataclass(frozen=True)
class CardText:
    """The parts of a card that a family decides.

    Attributes:
        library: the library that loads the folder, by the hub's name.
        task: the task that the hub shows it under.
        tags: further words to be found by.
        what: what the model does, after "tuned by synthmill on ...".
        code: Python that loads and uses it.
        notes: what is to be known besides.
        shown: settings that are listed for it.
    """

    library: str
    task: str
    tags: tuple[str, ...]
    what: str
    code: str
    notes: str
    shown: tuple[str, ...]


_PREFIXES = """`encode_query` and `encode_document` add the prefixes {query_prefix} and {passage_prefix}. Of a text the
first {max_tokens} tokens are read."""

_ENCODE = """from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/to/this/folder")
scores = model.similarity(model.encode_query(["a question"]), model.encode_document(["a passage"]))"""

_SETTINGS = ("epochs", "warmup_share", "weight_decay", "train_max_tokens")

CARD_TEXTS: Mapping[Family, CardText] = {
    Family.bi_encoder: CardText(
        library="sentence-transformers",
        task="sentence-similarity",
        tags=_RETRIEVAL_TAGS,
        what="It turns queries and passages into vectors of {dimensions} dimensions, to be compared by {similarity}.",
        code=_ENCODE,
        notes=_PREFIXES,
        shown=("similarity", "scale", "symmetric", *_SETTINGS),
    ),
    Family.adapter: CardText(
        library="sentence-transformers",
        task="sentence-similarity",
        tags=_RETRIEVAL_TAGS,
        what="It turns queries and passages into vectors of {dimensions} dimensions, to be compared by {similarity}. "
        "Queries go through one linear layer more; vectors of passages are those of `{base}`, bit by bit, so that an "
        "index of them stays as it is.",
        code=_ENCODE,
        notes=_PREFIXES + " Plain `encode` takes a text for a passage.",
        shown=("similarity", "scale", "symmetric", *_SETTINGS),
    ),
    Family.cross_encoder: CardText(
        library="sentence-transformers",
        task="text-ranking",
        tags=("sentence-transformers", "cross-encoder", "reranker"),
        what="It reads a query and a passage together and scores how well the passage answers it.",
        code="""from sentence_transformers import CrossEncoder

model = CrossEncoder("path/to/this/folder")
scores = model.predict([("a question", "a passage"), ("a question", "another passage")])""",
        notes="Of a pair the first {max_tokens} tokens are read.",
        shown=_SETTINGS,
    ),
    Family.classifier: CardText(
        library="transformers",
        task="text-classification",
        tags=("text-classification",),
        what="It gives a text {how_many} of {dimensions} labels: {labels}.",
        code="""from transformers import pipeline

classify = pipeline("text-classification", "path/to/this/folder", truncation=True)
print(classify("a text", top_k=None))""",
        notes="""Of a text the first {max_tokens} tokens are read. The pipeline's probabilities are surer than right.
Those that were calibrated on {held_out} held-out texts divide the scores by {temperature} (`temperature` in
config.json):

```python
import json
import torch

temperature = json.load(open("path/to/this/folder/config.json"))["temperature"]
inputs = classify.tokenizer("a text", return_tensors="pt", truncation=True)
with torch.inference_mode():
    probabilities = torch.{activation}(classify.model(**inputs).logits / temperature{axis})
```""",
        shown=("class_weights", *_SETTINGS),
    ),
}
