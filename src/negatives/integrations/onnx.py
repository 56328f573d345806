"""Encoders as ONNX graphs: built where vectors of tokens are summed, else traced from PyTorch."""

from __future__ import annotations

import importlib
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from negatives.data.tokens import SATURATION
from negatives.errors import ConfigError
from negatives.models.encoders.base import TokenSums
from negatives.models.encoders.sentence_transformers import load_encoder

OPSET = 17
INPUTS, OUTPUT = ("input_ids", "attention_mask"), "sentence_embedding"


def graph_of(sums: TokenSums) -> bytes:
    """The graph ``f(x) = sum_i c_i v_i / |sum_i c_i v_i|`` over the places ``i`` of a text.

    Inputs are ``input_ids`` and ``attention_mask`` ``(texts, tokens)`` int64, the output ``sentence_embedding``
    ``(texts, dim)`` float32. Each place counts one; where counts are saturated, a token that stands ``n`` times in a
    text of ``L`` counts ``(k + 1) n / (n + d)`` with ``d = k (1 - b + b L / mean L)``, so each of its places
    ``(k + 1) / (n + d)``.
    """
    onnx = importlib.import_module("onnx")
    helper, numpy = onnx.helper, onnx.numpy_helper
    k, b = SATURATION
    numbers = {"tiny": [1e-12]}
    if sums.mean is not None:
        numbers |= {"k_more": [k + 1], "still": [k * (1 - b)], "by_length": [k * b / max(sums.mean, 1e-9)]}
    start = [numpy.from_array(sums.table.contiguous().numpy(), "table")]
    start += [numpy.from_array(torch.tensor(of).numpy(), name) for name, of in numbers.items()]
    start += [numpy.from_array(torch.tensor([axis]).numpy(), f"axis{axis}") for axis in (1, 2)]
    nodes = [("Cast", ["attention_mask"], "mask", {"to": onnx.TensorProto.FLOAT})]
    nodes += [("Identity", ["mask"], "counts", {})] if sums.mean is None else _saturated(onnx)
    nodes += [
        ("Gather", ["table", "input_ids"], "vectors", {}),
        ("Unsqueeze", ["counts", "axis1"], "row", {}),
        ("MatMul", ["row", "vectors"], "sums", {}),
        ("Squeeze", ["sums", "axis1"], "sum", {}),
        ("ReduceL2", ["sum"], "length", {"axes": [1], "keepdims": 1}),
        ("Max", ["length", "tiny"], "divisor", {}),
        ("Div", ["sum", "divisor"], OUTPUT, {}),
    ]
    made = [helper.make_node(kind, inputs, [output], **options) for kind, inputs, output, options in nodes]
    whole = ("texts", "tokens")
    inputs = [helper.make_tensor_value_info(name, onnx.TensorProto.INT64, whole) for name in INPUTS]
    shape = ("texts", sums.table.shape[1])
    output = helper.make_tensor_value_info(OUTPUT, onnx.TensorProto.FLOAT, shape)
    graph = helper.make_graph(made, "encoder", inputs, [output], start)
    found = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="negatives")
    found.ir_version = 8  # that of the opset, so that older programs read it
    onnx.checker.check_model(found)
    return bytes(found.SerializeToString())


def trace(folder: Path, target: Path) -> dict[str, object]:
    """Write the graph of a Sentence Transformers model that reads tokens alone, with the inputs of :func:`graph_of`.

    Args:
        folder: The model.
        target: The file.

    Returns:
        ``length``, tokens after which it cuts off texts, and its prompts ``query`` and ``document``, if only empty.

    Raises:
        ConfigError: It is no transformer.
    """
    encoder = load_encoder(str(folder)).eval()
    features = encoder.preprocess(["a text", "another one that is longer"])
    if not set(INPUTS) <= set(features):
        raise ConfigError("this format needs a transformer, and this run's encoder is none")
    target.parent.mkdir(parents=True, exist_ok=True)
    axes = {name: {0: "texts", 1: "tokens"} for name in INPUTS} | {OUTPUT: {0: "texts"}}
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the way to export, and of what does not depend on the input
        torch.onnx.export(
            _Unit(encoder), tuple(features[name] for name in INPUTS), str(target),
            input_names=list(INPUTS), output_names=[OUTPUT], dynamic_axes=axes, opset_version=OPSET, dynamo=False,
        )  # fmt: skip
    prompts = encoder.prompts
    length = encoder.max_seq_length
    return {"length": length, "query": prompts.get("query") or "", "document": prompts.get("document") or ""}


class _Unit(nn.Module):
    """A Sentence Transformers model as a function of tensors, its vectors at unit length."""

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        found = self.encoder({"input_ids": input_ids, "attention_mask": attention_mask})
        return functional.normalize(found["sentence_embedding"], dim=1)


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
