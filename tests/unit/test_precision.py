"""``precision = "auto"``: bfloat16 only where it is multiplied natively, and resolved before anything is written."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from negatives.config import build
from negatives.kernels import precision
from negatives.models.encoders import sentence_transformers
from negatives.runs import builder
from negatives.runs.builder import fill, task_of
from negatives.tasks.facts import build_model
from negatives.tasks.recommend import Recommend
from negatives.tasks.texts import EncoderReading, text_facts


@pytest.mark.parametrize(
    ("abilities", "wanted"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True, "avx512_f": True}, "bfloat16"),
        ({"avx512_f": True, "avx512_bf16": False}, "float32"),
        ({}, "float32"),
    ],
)
def test_a_processor_without_the_instructions_keeps_float32(abilities: dict[str, bool], wanted: str) -> None:
    assert precision.faster_format("cpu", abilities) == wanted


def test_an_older_pytorch_that_cannot_say_keeps_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert precision.faster_format("cpu") == "float32"


@pytest.mark.parametrize("native", ["float32", "bfloat16"])
@pytest.mark.parametrize("asked", [None, "float32", "bfloat16"])
def test_the_recipe_follows_the_device_and_the_user_overrides_it(
    native: str,
    asked: str | None,
    planted_file: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(builder, "faster_format", lambda device: native)
    given = {} if asked is None else {"precision": asked}
    config = build([("a test", {"task": "recommend", "data": str(planted_file), **given})])
    task = task_of(config)
    assert isinstance(task, Recommend)
    with caplog.at_level(logging.WARNING):
        filled = fill(config, task, task.load(planted_file, config))
    assert filled.precision == (asked or native)
    slow = asked == "bfloat16" and native == "float32"
    assert ("emulates bfloat16" in caplog.text) is slow


@pytest.mark.parametrize(
    ("given", "format_", "half"),
    [({}, "bfloat16", True), ({}, "float32", False), ({"half": False}, "bfloat16", False)],
)
def test_a_pretrained_encoder_follows_the_precision_unless_told(
    given: dict[str, bool], format_: str, half: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Recorded:
        feed = "pairs"

        def __init__(self, queries: list[str], documents: list[str], path: str = "", half: bool = False) -> None:
            self.queries, self.documents, self.half = queries, documents, half

    monkeypatch.setattr(sentence_transformers, "SentenceEncoder", Recorded)
    values = {"task": "search", "model": {"name": "sentence_transformers", "path": "x", **given}, "precision": format_}
    config = build([("a test", values)])
    facts = text_facts(config, EncoderReading(vocabulary=100), ["a"], ["b"])
    made: Any = build_model(config.part("model"), facts, 0)
    assert (made.queries, made.documents, made.half) == (["a"], ["b"], half)
