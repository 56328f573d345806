"""Run folders as somebody else may have made them, each from one real tiny run by one change."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import struct
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import tomli_w
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from negatives.training import checkpoint
from negatives.training.run_folder import BEGUN, CHECKPOINTS, CONFIG, HISTORY, IDS, KEPT, METRICS, MODEL
from negatives.types import State


class Marked:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@dataclass(frozen=True, slots=True)
class Case:
    """One hostile folder.

    Args:
        change: Takes the folder of a run, and a folder outside that nothing may be written to.
        refused: Commands that must refuse it; all others that read it may do their work.
        said: Part of what each of them says; empty for anything.
        others: Commands that work, or do not, but that it must not lead astray.
    """

    change: Callable[[Path, Path], None]
    refused: str
    said: str = ""
    others: str = ""


def tensors(path: Path, change: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    """Change the tensors of a safetensors file."""
    with safe_open(path, framework="pt") as file:
        found = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata()
    change(found)
    save_file(found, path, metadata)


def weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path, Path], None]:
    return lambda run, _: tensors(run / MODEL, change)


def kept(change: Callable[[Any], Any]) -> Callable[[Path, Path], None]:
    """Change the tree of values that the kept file holds beside its tensors."""

    def write(run: Path, _: Path) -> None:
        with safe_open(run / KEPT, framework="pt") as file:
            found = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            metadata = dict(file.metadata())
        tree = json.loads(metadata["tree"])
        change((tree, found))
        save_file(found, run / KEPT, metadata | {"tree": json.dumps(tree)})

    return write


def ids(change: Callable[[pl.DataFrame], pl.DataFrame]) -> Callable[[Path, Path], None]:
    return lambda run, _: change(pl.read_parquet(run / IDS)).write_parquet(run / IDS)


def kind(name: str) -> Callable[[Path, Path], None]:
    """Another name for the items, in the table of names and in the model."""

    def write(run: Path, outside: Path) -> None:
        new = name.format(outside=outside)
        table = pl.read_parquet(run / IDS)
        table.with_columns(kind=pl.when(pl.col("kind") == "item").then(pl.lit(new)).otherwise("kind")).write_parquet(
            run / IDS
        )
        tensors(run / MODEL, lambda found: found.update({new + "s": found["items"].clone()}))

    return write


def setting(key: str, value: Any) -> Callable[[Path, Path], None]:
    """Another value in the configuration, and in what the run was begun with."""

    def change(values: dict[str, Any]) -> dict[str, Any]:
        *sections, last = key.split(".")
        here = values
        for section in sections:
            here = here[section]
        here[last] = value
        return values

    def write(run: Path, _: Path) -> None:
        (run / CONFIG).write_text(tomli_w.dumps(change(tomllib.loads((run / CONFIG).read_text()))))
        begun = json.loads((run / BEGUN).read_text())
        (run / BEGUN).write_text(json.dumps(begun | {"config": change(begun["config"])}))

    return write


def text(name: str, content: str | bytes) -> Callable[[Path, Path], None]:
    raw = content if isinstance(content, bytes) else content.encode()

    def write(run: Path, _: Path) -> None:
        (run / name).write_bytes(raw)

    return write


def metrics(**values: Any) -> Callable[[Path, Path], None]:
    def write(run: Path, _: Path) -> None:
        found = json.loads((run / METRICS).read_text())
        (run / METRICS).write_text(json.dumps(found | values))

    return write


def in_place(name: str, make: Callable[[Path], Any]) -> Callable[[Path, Path], None]:
    """Something else where a file was."""

    def write(run: Path, _: Path) -> None:
        (run / name).unlink(missing_ok=True)
        make(run / name)

    return write


def linked(name: str, folder: bool = False) -> Callable[[Path, Path], None]:
    """A link to a place outside where a file or folder of the run was or may be made."""

    def write(run: Path, outside: Path) -> None:
        target = outside / name
        if (run / name).is_dir():
            shutil.copytree(run / name, target)
            shutil.rmtree(run / name)
        elif folder:
            target.mkdir()
        elif (run / name).exists():
            shutil.move(run / name, target)
        else:
            target.write_text("mine")
        (run / name).symlink_to(target)

    return write


def pickled(name: str) -> Callable[[Path, Path], None]:
    return lambda run, outside: (run / name).write_bytes(pickle.dumps(Marked(outside / "mark"))) and None  # type: ignore[func-returns-value]


def saved(name: str) -> Callable[[Path, Path], None]:
    return lambda run, outside: torch.save({"model": Marked(outside / "mark")}, run / name)


def newest(run: Path) -> Path:
    return max((run / CHECKPOINTS).iterdir())


def state(change: Callable[[State], Any]) -> Callable[[Path, Path], None]:
    """Change the state in the newest checkpoint, and give it the right checksum."""

    def write(run: Path, _: Path) -> None:
        found = checkpoint.load(newest(run))
        change(found)
        checkpoint.save(newest(run), found)

    return write


def wrong_checksum(run: Path, _: Path) -> None:
    content = bytearray(newest(run).read_bytes())
    content[-1] ^= 1
    newest(run).write_bytes(content)


def header(size: int) -> bytes:
    return struct.pack("<Q", size) + b"{}" + b" " * 64


def huge_table() -> bytes:
    told = json.dumps({"items": {"dtype": "F32", "shape": [1 << 40, 4], "data_offsets": [0, 1 << 44]}}).encode()
    return struct.pack("<Q", len(told)) + told


DEEP = "[" * 100_000
READ = "evaluate export load"
CASES: dict[str, Case] = {
    # names of kinds, which are part of names of files
    "kind above": Case(kind("../../outside/x"), "export load", "no kind of names"),
    "kind absolute": Case(kind("{outside}/x"), "export load", "no kind of names"),
    "kind with a slash": Case(kind("a/b"), "export load", "no kind of names"),
    "kind with a null": Case(kind("a\0b"), "export load", "no kind of names"),
    "kind of markup": Case(kind("<script>"), "export load", "no kind of names"),
    "kind empty": Case(kind(""), "export load", "no kind of names"),
    # names and their numbers
    "names twice": Case(ids(lambda t: pl.concat([t, t])), "export load", "are not 0, 1, 2"),
    "names missing": Case(ids(lambda t: t.head(len(t) - 3)), "export load", "names for"),
    "numbers null": Case(ids(lambda t: t.with_columns(index=pl.lit(None, pl.Int64))), "export load", "are not 0, 1"),
    "numbers negative": Case(ids(lambda t: t.with_columns(pl.col("index") - 1)), "export load", "are not 0, 1"),
    "a name of 16 MB": Case(ids(lambda t: t.with_columns(name=pl.lit("x" * ((1 << 24) + 1)))), "export load", "bytes"),
    "a table of billions": Case(
        ids(lambda t: pl.select(pl.repeat("item", 400_000).alias("kind"), pl.lit("x").alias("name"),
                                pl.lit(0).alias("index"))), "export load", "claims to hold"),
    "no table of names": Case(text(IDS, b"PAR1" + b"\xff" * 200 + b"PAR1"), "export load", "not a table of names"),
    # files that are none
    "a pipe for names": Case(in_place(IDS, os.mkfifo), "export load", "not a file"),
    "a pipe for weights": Case(in_place(MODEL, os.mkfifo), READ, "not a file"),
    "a pipe for the configuration": Case(in_place(CONFIG, os.mkfifo), f"{READ} report resume", "not a file"),
    "a pipe for metrics": Case(in_place(METRICS, os.mkfifo), "load", "not a file", "report"),
    "a pipe for the history": Case(in_place(HISTORY, os.mkfifo), "", "", "report"),
    "a device for weights": Case(in_place(MODEL, lambda path: path.symlink_to("/dev/zero")), READ, "not a file"),
    "a device for metrics": Case(
        in_place(METRICS, lambda path: path.symlink_to("/dev/zero")), "load", "not a file", "report"),
    "a folder for weights": Case(in_place(MODEL, Path.mkdir), READ, "not a file"),
    # links
    "the folder of exports is a link": Case(linked("export", True), "export-here", "is a link"),
    "checkpoints are a link": Case(linked(CHECKPOINTS), "resume", "is a link"),
    "the history is a link": Case(linked(HISTORY), "resume", "is a link"),
    "the lock is a link": Case(linked(".lock"), "resume", "is a link"),
    "the report is a link": Case(linked("report.html"), "", "", "report"),
    # code
    "weights are a pickle": Case(pickled(MODEL), READ, "not a safetensors file"),
    "weights are of torch": Case(saved(MODEL), READ, "not a safetensors file"),
    "what is kept is a pickle": Case(pickled(KEPT), "load", "not a safetensors file"),
    "the sampler is a pickle": Case(pickled("sampler.safetensors"), "", "", "evaluate load"),
    # weights
    "a header without end": Case(text(MODEL, header(1 << 60)), READ, "not a safetensors file"),
    "a table without end": Case(text(MODEL, huge_table()), READ, "not a safetensors file"),
    "weights of NaN": Case(weights(lambda t: [one.fill_(torch.nan) for one in t.values()]), f"{READ} start", "finite"),
    "weights of other keys": Case(
        weights(lambda t: [t.update({f"{name}x": t.pop(name)}) for name in list(t)]), READ, ""),
    "weights of other shapes": Case(
        weights(lambda t: t.update({name: one[:-1].clone() for name, one in t.items()})), f"{READ} start", ""),
    "weights of other types": Case(
        weights(lambda t: t.update({name: one.to(torch.int8) for name, one in t.items()})), "export load", ""),
    "tables of one dimension": Case(weights(lambda t: t.update(items=t["items"][:, 0].clone())), "export load", "tabl"),
    # what is kept for answers
    "what is known lies elsewhere": Case(
        kept(lambda f: [one.add_(10_000) for one in f[1].values() if one.dtype == torch.int32]), "load", "damaged"),
    "bounds that run backwards": Case(
        kept(lambda f: f[1].update({name: one.flip(0) for name, one in f[1].items() if one.dtype == torch.int64})),
        "load", "damaged"),
    "what is kept is of another kind": Case(
        kept(lambda f: f[0]["of"].update(known={"$": "os.system", "of": "touch x"})), "load", "damaged"),
    "what is kept is deep": Case(
        lambda run, _: save_file({}, run / KEPT, {"format": "negatives-kept-1", "tree": DEEP}), "load", "damaged"),
    # the configuration
    "data of zeros": Case(setting("data", "/dev/zero"), "evaluate resume", "file"),
    "data of standard input": Case(setting("data", "-"), "evaluate", "standard input"),
    "data with a null": Case(setting("data", "a\0b"), "evaluate resume", ""),
    "data elsewhere": Case(setting("data", "/etc/passwd"), "evaluate resume", ""),
    "a task that is none": Case(setting("task", "os"), "evaluate load resume", "no task"),
    "a model of another package": Case(
        setting("model.name", "os:system"), "evaluate load resume", "no model"),
    "numbers too large": Case(setting("model.dim", 2**62), "evaluate resume", ""),
    "threads without end": Case(setting("threads", 10**9), "evaluate load resume", "threads"),
    "a configuration without end": Case(text(CONFIG, f"x = {DEEP}"), "evaluate load resume", "nested too deep"),
    "a configuration of bytes": Case(text(CONFIG, bytes(range(256))), "evaluate load resume", ""),
    # metrics and history
    "metrics of markup": Case(
        metrics(sampler="<script>alert(1)</script>", notes=["<img src=x onerror=alert(1)>"],
                data="</script><script>alert(2)</script>"), "", "", "report"),
    "metrics of other types": Case(
        metrics(test=7, valid=[1], samples="x", environment=3, race={"a": 1}, baselines=[1], seconds="x", notes=5,
                train_seconds=[], epochs="many", seed="x"), "", "", "report load"),
    "metrics without end": Case(text(METRICS, DEEP), "load", "nested too deep", "report"),
    "metrics that are a list": Case(text(METRICS, "[1, 2]"), "load", "", "report"),
    "a history of garbage": Case(
        text(HISTORY, b"\xff\xfe\n{}\n[1]\n" + DEEP.encode() + b'\n{"kind": "step", "step": "x", "seconds": {}}\n'
             b'{"kind": "evaluation", "step": 1, "seconds": 1, "metrics": "<script>", "epoch": []}\n'
             b'{"kind": "step", "step": -5, "seconds": NaN, "loss": [], "parts": 3}\n'
             b'{"kind": "control", "step": 1, "seconds": 1, "values": 7}\n'), "", "", "report"),
    # checkpoints
    "a checkpoint of another sum": Case(wrong_checksum, "resume", "no checkpoint can be read"),
    "a beginning of other types": Case(text(BEGUN, '{"config": 7, "data": [], "format": {}}'), "resume", ""),
    "a beginning of a list": Case(
        text(BEGUN, '{"format": "1.0", "config": [1], "data": 7}'), "resume", "not begun by this command"),
    "a beginning without end": Case(text(BEGUN, DEEP), "resume", "nested too deep"),
    "a pipe for the beginning": Case(in_place(BEGUN, os.mkfifo), "resume", "not a file"),
    "a checkpoint that is a pickle": Case(
        lambda run, outside: pickled(f"{CHECKPOINTS}/{newest(run).name}")(run, outside), "resume", ""),
    "steps below zero": Case(state(lambda s: s.update(steps=-7)), "resume", ""),
    "steps that are text": Case(state(lambda s: s.update(steps="7")), "resume", ""),
    "a state without a model": Case(state(lambda s: s.pop("model")), "resume", ""),
    "a state of other shapes": Case(
        state(lambda s: s.update(model={n: one[:-1] for n, one in s["model"].items()})), "resume", ""),
    "a state of NaN": Case(
        state(lambda s: s.update(model={n: one * torch.nan for n, one in s["model"].items()})), "resume", ""),
}  # fmt: skip
