"""An encoder as ONNX graphs, for programs without Python or PyTorch.

Input are the tokens of a batch of texts, padded to one length, and a mask of those that count; output are vectors at
unit length. The tokenizer lies beside the graphs, in the format of the package ``tokenizers``. Queries and documents
have a graph each where a run treats them apart.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import Any

import torch

from negatives.data.tokens import SATURATION
from negatives.errors import ConfigError
from negatives.models.encoders.static import StaticEncoder
from negatives.runs.exports.card import card
from negatives.runs.exports.encoders import no_encoder
from negatives.runs.opening import opened
from negatives.training.files import write_bytes

OPSET = 17
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
    model = run.held.model
    if not isinstance(model, StaticEncoder):
        raise no_encoder(run, "export a run of static; Sentence Transformers models are exported by optimum")
    names = {"model": "item"} if model.tokens.symmetric else {"query": "query", "document": "item"}
    for name, kind in names.items():
        write_bytes(target / f"{name}.onnx", _graph(model, kind).SerializeToString())
    write_bytes(target / TOKENIZER, model.tokenizer.to_str().encode())
    use = USE.format(folder="path/of/this/folder", name=f"{list(names)[-1]}.onnx")
    write_bytes(target / "README.md", card(run, use, {"library_name": "onnx"}).encode())


def _graph(model: StaticEncoder, kind: str) -> Any:
    """``f(x) = sum_i m_i v_i / |...|`` over the tokens of a text; of documents each counts as BM25 saturates it.

    A token that stands ``n`` times in a text of ``L`` counts ``(k + 1) n / (n + d)`` with
    ``d = k (1 - b + b L / mean L)``, so each of its ``n`` places counts ``(k + 1) / (n + d)``.
    """
    onnx = importlib.import_module("onnx")
    helper, numpy = onnx.helper, onnx.numpy_helper
    with torch.no_grad():
        table = (model.weights()[:, None] * model.token_table).contiguous().numpy()
    k, b = SATURATION
    numbers = {
        "k_more": [k + 1],
        "still": [k * (1 - b)],
        "by_length": [k * b / max(model.mean, 1e-9)],
        "tiny": [1e-12],
    }
    start = [numpy.from_array(table, "table")]
    start += [numpy.from_array(torch.tensor(of).numpy(), name) for name, of in numbers.items()]
    start += [numpy.from_array(torch.tensor([axis]).numpy(), f"axis{axis}") for axis in (1, 2)]
    nodes = [("Cast", ["attention_mask"], "mask", {"to": onnx.TensorProto.FLOAT})]
    nodes += _saturated(onnx) if kind == "item" or model.tokens.symmetric else [("Identity", ["mask"], "counts", {})]
    nodes += [
        ("Gather", ["table", "input_ids"], "vectors", {}),
        ("Unsqueeze", ["counts", "axis1"], "row", {}),
        ("MatMul", ["row", "vectors"], "sums", {}),
        ("Squeeze", ["sums", "axis1"], "sum", {}),
        ("ReduceL2", ["sum"], "length", {"axes": [1], "keepdims": 1}),
        ("Max", ["length", "tiny"], "divisor", {}),
        ("Div", ["sum", "divisor"], "sentence_embedding", {}),
    ]
    made = [helper.make_node(kind, inputs, [output], **options) for kind, inputs, output, options in nodes]
    whole = ("texts", "tokens")
    inputs = [
        helper.make_tensor_value_info(name, onnx.TensorProto.INT64, whole) for name in ("input_ids", "attention_mask")
    ]
    shape = ("texts", table.shape[1])
    output = helper.make_tensor_value_info("sentence_embedding", onnx.TensorProto.FLOAT, shape)
    graph = helper.make_graph(made, "encoder", inputs, [output], start)
    found = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="negatives")
    found.ir_version = 8  # that of the opset, so that older programs read it
    onnx.checker.check_model(found)
    return found


def _saturated(onnx: Any) -> list[tuple[str, list[str], str, dict[str, Any]]]:
    """What each place counts: how often its token stands in the text, and how long the text is."""
    return [
        ("Unsqueeze", ["input_ids", "axis2"], "one", {}),
        ("Unsqueeze", ["input_ids", "axis1"], "other", {}),
        ("Equal", ["one", "other"], "alike", {}),
        ("Cast", ["alike"], "same", {"to": onnx.TensorProto.FLOAT}),
        ("Unsqueeze", ["mask", "axis1"], "there", {}),
        ("Mul", ["same", "there"], "pairs", {}),
        ("ReduceSum", ["pairs", "axis2"], "times", {"keepdims": 0}),
        ("ReduceSum", ["mask", "axis1"], "tokens_of", {"keepdims": 1}),
        ("Mul", ["tokens_of", "by_length"], "long", {}),
        ("Add", ["long", "still"], "damping", {}),
        ("Add", ["times", "damping"], "below", {}),
        ("Div", ["k_more", "below"], "counts_each", {}),
        ("Mul", ["counts_each", "mask"], "counts", {}),
    ]
