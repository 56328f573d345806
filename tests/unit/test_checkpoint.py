"""Checkpoints come back exactly, are never half-written, and say so when they are damaged."""

from __future__ import annotations

import math
import os
import resource
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from negatives.errors import InputError
from negatives.training import files
from negatives.training.checkpoint import Checkpoints, load, save

TENSORS = [
    torch.tensor([2**62 + 1, -(2**63)], dtype=torch.int64),
    torch.tensor([0.1, -0.0, math.inf], dtype=torch.float64),
    torch.tensor(0.1, dtype=torch.float32),
    torch.tensor([[True, False]]),
    torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    torch.zeros((0, 3), dtype=torch.int32),
    torch.arange(6).reshape(2, 3).T,
]


@pytest.mark.parametrize("tensor", TENSORS, ids=lambda one: f"{one.dtype}-{tuple(one.shape)}")
def test_tensors_come_back_bit_for_bit(tmp_path: Path, tensor: torch.Tensor) -> None:
    save(tmp_path / "c", {"x": tensor})
    back = load(tmp_path / "c")["x"]
    assert back.dtype == tensor.dtype
    assert back.shape == tensor.shape
    assert torch.equal(back, tensor)
    assert torch.equal(torch.signbit(back.float()), torch.signbit(tensor.float()))


def test_the_rest_comes_back_exactly(tmp_path: Path) -> None:
    state = {
        "big": 2**64 + 1,
        "third": 1 / 3,
        "tiny": 5e-324,
        "whole": 1.0,
        "flag": True,
        "none": None,
        "text": 'ä "$" \n',
        "list": [1, [2.0, "x"], {"deep": (1, [2])}],
        "$": {"$": "tensor", "at": "0"},
        "empty": {},
        "": [],
    }
    save(tmp_path / "c", state)
    back = load(tmp_path / "c")
    assert back == state
    assert [type(back[key]) for key in state] == [type(value) for value in state.values()]
    save(tmp_path / "c", {"a": math.nan, "b": -math.inf})
    back = load(tmp_path / "c")
    assert math.isnan(back["a"])
    assert back["b"] == -math.inf


def test_shared_tensors_are_separate_after_loading(tmp_path: Path) -> None:
    whole = torch.arange(4.0)
    save(tmp_path / "c", {"a": whole, "b": whole, "half": whole[:2]})
    back = load(tmp_path / "c")
    back["a"].zero_()
    assert back["b"].tolist() == [0, 1, 2, 3]
    assert back["half"].tolist() == [0, 1]


@pytest.mark.parametrize("value", [{1: 2}, {"a": {1: 2}}, {"a": [object()]}, {"a": {3}}])
def test_what_cannot_be_held_is_named(tmp_path: Path, value: dict[object, object]) -> None:
    with pytest.raises(TypeError, match="state"):
        save(tmp_path / "c", value)  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_damage_is_found(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    save(path, {"x": torch.arange(1000)})
    whole = path.read_bytes()
    path.write_bytes(whole[:-8])
    with pytest.raises(InputError, match="cut short"):
        load(path)
    path.write_bytes(whole[:-8] + bytes([1]) + whole[-7:])
    with pytest.raises(InputError, match="checksum"):
        load(path)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="cut short"):
        load(path)
    save_file({"x": torch.zeros(2)}, path)
    with pytest.raises(InputError, match="not a checkpoint"):
        load(path)
    with pytest.raises(InputError, match="no such file"):
        load(tmp_path / "missing")


def test_the_newest_two_stay(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path / "checkpoints")
    assert kept.latest() is None
    for step in (9, 10, 100, 1000):
        kept.save(step, {"step": step})
    names = sorted(path.name for path in kept.folder.iterdir())
    assert names == ["step-000000000100.safetensors", "step-000000001000.safetensors"]
    newest = kept.latest()
    assert newest is not None
    assert load(newest) == {"step": 1000}


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c"
    save(path, {"x": 1})

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space") as caught:
        save(path, {"x": 2})
    assert caught.value.filename == str(path)
    assert load(path) == {"x": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_an_os_error_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk's."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OSError, match="too large") as caught:
            save(tmp_path / "c", {"x": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.filename == str(tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_files_can_be_read_by_others(tmp_path: Path) -> None:
    files.write_bytes(tmp_path / "sub" / "f", b"x")
    other = tmp_path / "plain"
    other.write_bytes(b"x")
    assert (tmp_path / "sub" / "f").stat().st_mode == other.stat().st_mode
