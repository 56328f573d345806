"""An encoder as ONNX graphs, for programs without Python or PyTorch.

Input are the tokens of a batch of texts, padded to one length, and a mask of those that count; output are vectors at
unit length. The tokenizer lies beside the graphs, in the format of the package ``tokenizers``. Queries and documents
have a graph each where a run treats them apart.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from negatives.errors import ConfigError
from negatives.integrations.onnx import graph_of
from negatives.runs.exports.card import card
from negatives.runs.exports.encoders import token_sums
from negatives.runs.opening import opened
from negatives.training.files import write_bytes

TOKENIZER = "tokenizer.json"
USE = """
import numpy as np
import onnxruntime
from tokenizers import Tokenizer

tokenizer = Tokenizer.from_file("{folder}/tokenizer.json")
tokenizer.enable_padding()
model = onnxruntime.InferenceSession("{folder}/{name}")
texts = tokenizer.encode_batch(["a text", "another"], add_special_tokens=False)
ids = np.array([text.ids for text in texts], np.int64)
mask = np.array([text.attention_mask for text in texts], np.int64)
(vectors,) = model.run(None, {{"input_ids": ids, "attention_mask": mask}})
print(vectors @ vectors.T)
"""
MISSING = "the format onnx needs the package onnx; run: pip install 'negatives[onnx]'"


def write_onnx(path: Path, target: Path) -> None:
    """``query.onnx`` and ``document.onnx``, or ``model.onnx`` where both are one, the tokenizer, and a card.

    Raises:
        ConfigError: The run's model is no static encoder, or the package is not installed.
        InputError: The folder holds no finished run that stands alone.
    """
    if importlib.util.find_spec("onnx") is None:
        raise ConfigError(MISSING)
    run = opened(path)
    sums = token_sums(run, "export a run of static; Sentence Transformers models are exported by optimum")
    alike = sums["query"].mean == sums["item"].mean
    names = {"model": "item"} if alike else {"query": "query", "document": "item"}
    for name, kind in names.items():
        write_bytes(target / f"{name}.onnx", graph_of(sums[kind]))
    write_bytes(target / TOKENIZER, sums["item"].tokenizer.to_str().encode())
    use = USE.format(folder="path/of/this/folder", name=f"{list(names)[-1]}.onnx")
    write_bytes(target / "README.md", card(run, use, {"library_name": "onnx"}).encode())
