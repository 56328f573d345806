"""An encoder as a Sentence Transformers model: a folder that ``SentenceTransformer(path)`` opens."""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from torch import nn

from negatives.answering import Run
from negatives.errors import ConfigError, InputError
from negatives.models.encoders.sentence_transformers import FOLDER, MISSING, SentenceEncoder
from negatives.models.encoders.static import StaticEncoder
from negatives.runs.exports.card import card
from negatives.runs.opening import opened
from negatives.training.files import write_bytes

HEAD = {
    "library_name": "sentence-transformers",
    "pipeline_tag": "sentence-similarity",
    "tags": ["sentence-transformers", "feature-extraction"],
}
USE = """
from sentence_transformers import SentenceTransformer

model = SentenceTransformer("path/of/this/folder")
queries, documents = model.encode_query(["a question"]), model.encode_document(["a text", "another"])
print(model.similarity(queries, documents))
"""
EXACT = "Its vectors are those of the run it was exported from."
SUMS = """\
Its vectors are sums of the vectors of tokens, with the learnt weights folded in. The run it was exported from also
saturates how often a token counts in {where}, as BM25 does, which this format cannot express: there the vectors
differ a little, and so do the metrics below, which are the run's own."""


def write_sentence_transformers(path: Path, target: Path) -> None:
    """A Sentence Transformers model with a card.

    Raises:
        ConfigError: The run's model is no encoder of texts, or the package is not installed.
        InputError: The folder holds no finished run that stands alone.
    """
    run = opened(path)
    model = run.held.model
    if isinstance(model, SentenceEncoder):
        _copy(path / FOLDER, target)
        told = EXACT
    elif isinstance(model, StaticEncoder):
        _save_static(model, target)
        told = " ".join(SUMS.format(where="all texts" if model.tokens.symmetric else "documents").split())
    else:
        raise no_encoder(run)
    write_bytes(target / "README.md", card(run, USE, HEAD, [told]).encode())


def no_encoder(run: Run, hint: str = "export a run of static or sentence_transformers") -> ConfigError:
    """What is said of a run whose model is none of those that a format takes."""
    name = run.held.config.part("model")
    return ConfigError(f"this format does not take the model {name}; {hint}")


def _copy(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise InputError("no such folder", path=source, hint="train the run again")
    shutil.copytree(source, target, dirs_exist_ok=True)


def _save_static(model: StaticEncoder, target: Path) -> None:
    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
    except ImportError as error:
        raise ConfigError(MISSING.replace("sentence_transformers", "this format", 1)) from error
    with torch.no_grad():
        vectors = (model.weights()[:, None] * model.token_table).clone()
    modules: list[nn.Module] = [StaticEmbedding(model.tokenizer, embedding_weights=vectors), Normalize()]
    encoder = SentenceTransformer(modules=modules, device="cpu", similarity_fn_name="cosine")
    encoder.save(str(target), create_model_card=False)
