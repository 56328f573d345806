"""An encoder as a Sentence Transformers model: a folder that ``SentenceTransformer(path)`` opens."""

from __future__ import annotations

import shutil
from pathlib import Path

from torch import nn

from negatives.answering import Run
from negatives.errors import ConfigError
from negatives.models.encoders.base import TextEncoder, TokenSums
from negatives.models.encoders.sentence_transformers import FOLDER, MISSING
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
    if (path / FOLDER).is_dir():
        shutil.copytree(path / FOLDER, target, dirs_exist_ok=True)
        told = EXACT
    else:
        sums = token_sums(run, "export a run of static or sentence_transformers")
        _save_sums(sums["item"], target)
        told = " ".join(SUMS.format(where="documents" if sums["query"].mean is None else "all texts").split())
    write_bytes(target / "README.md", card(run, USE, HEAD, [told]).encode())


def token_sums(run: Run, hint: str) -> dict[str, TokenSums]:
    """How a run's model sums the tokens of queries and of documents.

    Args:
        run: The run.
        hint: What to do where it does not.

    Raises:
        ConfigError: The model does more than that, or is no encoder.
    """
    model = run.held.model
    if isinstance(model, TextEncoder):
        found = {kind: model.token_sums(kind) for kind in ("query", "item")}
        if (query := found["query"]) is not None and (item := found["item"]) is not None:
            return {"query": query, "item": item}
    raise ConfigError(f"this format does not take the model {run.held.config.part('model')}; {hint}")


def _save_sums(sums: TokenSums, target: Path) -> None:
    try:
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Normalize, StaticEmbedding
    except ImportError as error:
        raise ConfigError(MISSING.replace("sentence_transformers", "this format", 1)) from error
    modules: list[nn.Module] = [StaticEmbedding(sums.tokenizer, embedding_weights=sums.table.clone()), Normalize()]
    encoder = SentenceTransformer(modules=modules, device="cpu", similarity_fn_name="cosine")
    encoder.save(str(target), create_model_card=False)
