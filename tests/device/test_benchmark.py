"""The program that takes the figures runs where there is no GPU: small on the CPU, on the pretended device, or not."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from places import PRETENDED, device

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "device.py"


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> dict[str, Any]:
    monkeypatch.setattr(sys, "argv", [PROGRAM.name, *words])
    return runpy.run_path(str(PROGRAM), run_name="__main__")


def test_it_says_where_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        run(monkeypatch)
    assert ended.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == "device.py: there is no CUDA device here; --device cpu runs the same program, small\n"


def test_it_runs_small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    run(monkeypatch, "--device", "cpu", "--out", str(tmp_path))
    found = json.loads((tmp_path / "device.json").read_text())
    assert "say nothing of a GPU" in found["device"]
    for name in ("draws: torch.multinomial [million/s]", "softmax over a pool: no scores kept [ms]"):
        assert found[name] > 0.0
    assert {f"32 rows, a step with {name} [ms]" for name in ("uniform", "dns", "softmax", "auto")} <= set(found)


@pytest.mark.skipif(not PRETENDED, reason="the real device is measured by the program itself")
def test_its_way_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    program = runpy.run_path(str(PROGRAM))
    monkeypatch.setattr(program["Bench"], "wait", lambda self: None)
    monkeypatch.setattr(program["Bench"], "peak", lambda self, work: (work(), 1.0)[1])
    with device() as (where, _):
        bench = program["Bench"](where, program["SMALL"], {})
        program["draws"](bench)
        program["softmax"](bench, False)
        program["share"](bench, 32)
    assert len(bench.found) == 6 + 4 + 8


def test_what_was_measured_stays_where_a_part_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = runpy.run_path(str(PROGRAM))

    def part(bench: Any) -> None:
        bench.say("a figure", 1.5, "ms")
        raise RuntimeError("no compiler")

    bench = program["Bench"](torch.device("cpu"), program["SMALL"], {}, tmp_path / "device.json")
    assert not program["done"]("softmax", part, bench)
    kept = json.loads((tmp_path / "device.json").read_text())
    assert kept == {"a figure [ms]": 1.5, "softmax failed": "RuntimeError: no compiler"}
    assert "no compiler" in capsys.readouterr().err


def test_the_example_goes_to_the_device(capsys: pytest.CaptureFixture[str]) -> None:
    source = (PROGRAM.parents[1] / "examples" / "own_loop.py").read_text()
    with device() as (where, _):
        changes = {'"cuda" if torch.cuda.is_available() else "cpu"': repr(str(where)), "range(10)": "range(1)"}
        for old, new in changes.items():
            assert source.count(old) == 1
            source = source.replace(old, new)
        exec(compile(source, "own_loop.py", "exec"), {"__name__": "own_loop"})
    assert f"on {where}" in capsys.readouterr().out
