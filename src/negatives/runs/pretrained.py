"""A Sentence Transformers model that was trained elsewhere, asked as a run is."""

from __future__ import annotations

from pathlib import Path

from negatives.answering import Held
from negatives.answering.texts import SearchRun
from negatives.config import Part, RunConfig
from negatives.models import Model
from negatives.models.encoders.sentence_transformers import SentenceEncoder

NAME = "sentence_transformers"
WHOLE = 1 << 30
"""Tokens after which texts are cut off, above the model's own limit."""


def from_pretrained(path: str | Path) -> SearchRun:
    """A Sentence Transformers model, without documents until it is given some.

        run = negatives.from_pretrained("path/of/all-MiniLM-L6-v2")
        run.index(["a text", "another"]).predict("a question")

    Its own prompts and its own limit of tokens hold; a score is a cosine. To train it further, give
    ``--model sentence_transformers --set model.path=...``.

    Args:
        path: A folder, an installed package that carries a model, or the name of a model in the local cache; nothing
            is downloaded.

    Raises:
        ConfigError: The package is missing, or there is no such model.
    """
    model = SentenceEncoder([], [], str(path), WHOLE, scale=1.0)
    model.take_own_prompts()
    config = RunConfig(task="search", model=Part(NAME, {"path": str(path)}))

    def make() -> Model:
        return model

    return SearchRun(Held(config, {}, {}, {}, None, {}, make))
