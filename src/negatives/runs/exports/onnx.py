"""An encoder as ONNX graphs, for programs without Python or PyTorch.

Input are the tokens of a batch of texts, padded to one length, and a mask of those that count; output are vectors at
unit length. The tokenizer lies beside the graphs, in the format of the package ``tokenizers``. Queries and documents
have a graph each where a run treats them apart.
"""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from negatives.answering import Run
from negatives.errors import ConfigError
from negatives.integrations.onnx import graph_of, trace
from negatives.models.encoders.sentence_transformers import FOLDER
from negatives.runs.exports.card import card
from negatives.runs.exports.encoders import token_sums
from negatives.runs.opening import opened
from negatives.training.files import write_bytes

TOKENIZER = "tokenizer.json"
USE = """
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("path/of/this/folder/tokenizer.json")
tokenizer.enable_padding()
model = onnxruntime.InferenceSession("path/of/this/folder/{name}")
texts = tokenizer.encode_batch(["a text", "another"], add_special_tokens={special})
ids = np.array([text.ids for text in texts], np.int64)
mask = np.array([text.attention_mask for text in texts], np.int64)
(vectors,) = model.run(None, {{"input_ids": ids, "attention_mask": mask}})
print(vectors @ vectors.T)
"""
MISSING = "the format onnx needs the package onnx; run: pip install 'negatives[onnx]'"


WHOLE = """\
The graph is the whole encoder, traced from PyTorch. Texts longer than {length} tokens are to be cut off."""
PROMPTS = "Put {query!r} before each question and {document!r} before each document."


def write_onnx(path: Path, target: Path) -> None:
    """``query.onnx`` and ``document.onnx``, or ``model.onnx`` where both are one, the tokenizer, and a card.

    Raises:
        ConfigError: The run's model is no encoder that can be written so, or the package is not installed.
        InputError: The folder holds no finished run that stands alone.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ConfigError(MISSING)
    run = opened(path)
    if (path / FOLDER).is_dir():
        told = _transformer(path / FOLDER, target)
        use = USE.format(name="model.onnx", special=True)
    else:
        name, told = _sums(run, target), []
        use = USE.format(name=name, special=False)
    write_bytes(target / "README.md", card(run, use, {"library_name": "onnx"}, told).encode())


def _sums(run: Run, target: Path) -> str:
    """Write graphs of an encoder that sums vectors of tokens; the name of one of them."""
    sums = token_sums(run, "export a run of static or sentence_transformers")
    alike = sums["query"].mean == sums["item"].mean
    names = {"model": "item"} if alike else {"query": "query", "document": "item"}
    for name, kind in names.items():
        write_bytes(target / f"{name}.onnx", graph_of(sums[kind]))
    write_bytes(target / TOKENIZER, sums["item"].tokenizer.to_str().encode())
    return f"{list(names)[-1]}.onnx"


def _transformer(source: Path, target: Path) -> list[str]:
    """Write the graph of a Sentence Transformers model and its tokenizer; what the card says of it."""
    if not (source / TOKENIZER).is_file():
        raise ConfigError(f"this format needs a transformer with a {TOKENIZER}, and this run's encoder has none")
    facts = trace(source, target / "model.onnx")
    shutil.copyfile(source / TOKENIZER, target / TOKENIZER)
    told = " ".join(WHOLE.format(**facts).split())
    return [told, PROMPTS.format(**facts)] if facts["query"] or facts["document"] else [told]
