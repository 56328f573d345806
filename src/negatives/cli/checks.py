"""What ``negatives doctor`` looks at: one function for each line of its answer."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path

from negatives.cli.faults import sentence

MINIMUM_PYTHON = (3, 11)
MINIMUM_TORCH = (2, 10)
LITTLE_SPACE = 2 * 2**30
SPACE_OF_KERNELS = 64 * 2**20
"""Bytes that all compiled kernels may take."""
EXTRAS = {
    "faiss": "ann",
    "torch_geometric": "graph",
    "tokenizers": "text",
    "sklearn": "baselines",
    "sentence_transformers": "sentence-transformers",
    "matplotlib": "figures",
    "uvicorn": "serve",
    "tensorboard": "tensorboard",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "trackio": "trackio",
    "onnx": "onnx",
    "lightning": "lightning",
    "transformers": "hugging-face",
    "pytorch_metric_learning": "metric-learning",
    "pykeen": "pykeen",
}


class Status(IntEnum):
    """How a check ended, from good to bad."""

    OK = 0
    NOTE = 1
    BROKEN = 2


Result = tuple[Status, str]


def python() -> Result:
    """The interpreter is new enough."""
    text = f"{platform.python_version()} ({platform.machine()}, {os.cpu_count()} cores)"
    return (Status.OK if sys.version_info >= MINIMUM_PYTHON else Status.BROKEN), text


def torch_version() -> Result:
    """PyTorch imports and is new enough."""
    import torch

    from negatives.kernels.precision import faster_format

    found = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if found < MINIMUM_TORCH:
        wanted = ".".join(map(str, MINIMUM_TORCH))
        return Status.BROKEN, f"{torch.__version__}; install torch {wanted} or newer"
    return Status.OK, f"{torch.__version__}, {torch.get_num_threads()} threads, multiplies in {faster_format('cpu')}"


def numba() -> Result:
    """Compiled kernels are kept in a folder that can be written."""
    if importlib.util.find_spec("numba") is None:
        return Status.BROKEN, "not installed; install numba"
    from importlib.metadata import version

    from negatives import kernels
    from negatives.kernels.jit import cache

    text, folder = f"{version('numba')}, {kernels.threads()} threads", cache.location()
    if folder is None:
        hint = "set NUMBA_CACHE_DIR to a folder that only you can write"
        return Status.NOTE, f"{text}; no folder can keep compiled kernels, so every start compiles them: {hint}"
    if shutil.disk_usage(folder).free < SPACE_OF_KERNELS:
        return Status.NOTE, f"{text}; {folder} has no room for compiled kernels, so every start compiles them"
    return Status.OK, f"{text}, compiled kernels in {folder}"


def cuda() -> Result:
    """Whether a GPU is there; none is no fault."""
    import torch

    if not torch.cuda.is_available():
        return Status.OK, "none; everything runs on the CPU"
    torch.ones(1, device="cuda").add_(1).cpu()
    return Status.OK, torch.cuda.get_device_name(0)


def disk() -> Result:
    """The working and temporary folders have room."""
    try:
        places = {str(Path.cwd()), tempfile.gettempdir()}
    except FileNotFoundError as error:  # the current folder is gone, or no temporary one can be written
        return Status.BROKEN, str(sentence(error))
    free = {place: shutil.disk_usage(place).free for place in sorted(places)}
    text = ", ".join(f"{place} {bytes_free / 2**30:.1f} GB free" for place, bytes_free in free.items())
    return (Status.OK if min(free.values()) >= LITTLE_SPACE else Status.NOTE), text


def extras() -> Result:
    """Which optional packages are there."""
    missing = [extra for module, extra in EXTRAS.items() if importlib.util.find_spec(module) is None]
    if missing:
        return Status.OK, f"without {', '.join(missing)}; to add: pip install 'negatives[{','.join(missing)}]'"
    return Status.OK, ", ".join(EXTRAS.values())


def self_test() -> Result:
    """Compiled and plain kernels draw the same items, and never a known one."""
    import torch

    from negatives import kernels
    from negatives.types import Csr

    rows = torch.arange(64)
    known = Csr.from_pairs(rows, rows % 7, 64, 9)
    compiled = kernels.draw_uniform(rows, 8, 9, 1, queries=rows, known=known)
    with kernels.use("numpy"):
        plain = kernels.draw_uniform(rows, 8, 9, 1, queries=rows, known=known)
    if not torch.equal(compiled, plain):
        return Status.BROKEN, "compiled and plain kernels disagree; install numba again"
    if bool((compiled == (rows % 7)[:, None]).any()):
        return Status.BROKEN, "a known item was drawn; install negatives again"
    return Status.OK, "kernels agree"


def draw() -> Result:
    """A sampler answers with normalised probabilities."""
    import torch

    from negatives.sampler import build
    from negatives.types import Catalogue, Csr

    rows = torch.arange(16)
    sampler = build("uniform")
    known = Csr.from_pairs(rows, rows % 7, 16, 9)
    sampler.bind(Catalogue(16, 9, torch.ones(9, dtype=torch.int64), known))
    negatives = sampler(rows, rows % 7)
    if negatives.log_q is None or not torch.allclose(negatives.log_q.exp(), torch.tensor(1 / 8)):
        return Status.BROKEN, "the probability of a draw is wrong; install negatives again"
    return Status.OK, f"{negatives.ids.numel()} negatives, each with probability 1/8"


CHECKS: dict[str, Callable[[], Result]] = {
    "python": python,
    "torch": torch_version,
    "numba": numba,
    "cuda": cuda,
    "disk": disk,
    "extras": extras,
    "self-test": self_test,
    "draw": draw,
}
