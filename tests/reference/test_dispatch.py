"""Backends: one rule says which of them serves a tensor, and one name stands for a family everywhere."""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from negatives import kernels
from negatives.kernels import dispatch

HELPERS = {
    "numba": {"cache", "compile", "kept", "mix", "prefetch", "small", "tile"},
    "triton": {"lanes"},
    "torch": {"segments"},
    "numpy": {"hashing"},
}
"""Modules of a backend that are no family: what its families share."""
INNER = {"alias": {"fill_alias"}, "distances": {"add_rows"}}
"""Functions of a backend that the façade calls from others of its own."""
BACKENDS = tuple(dispatch.BACKENDS)


def modules(package: str) -> set[str]:
    return {found.name for found in pkgutil.iter_modules(importlib.import_module(package).__path__)}


def own(module: ModuleType) -> dict[str, inspect.Signature]:
    """Public functions that a module defines, compiled loops not among them."""
    return {
        name: inspect.signature(value)
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_family_bears_one_name(backend: str) -> None:
    package = dispatch.BACKENDS[backend].package
    families = modules(package) - HELPERS[backend]
    assert HELPERS[backend] <= modules(package)
    assert families <= modules("negatives.kernels")
    if backend == "numpy":
        assert families == modules(dispatch.BACKENDS["numba"].package) - HELPERS["numba"]


@pytest.mark.parametrize("backend", BACKENDS[1:])
def test_a_backend_holds_what_the_facade_asks_of_a_family(backend: str) -> None:
    package = dispatch.BACKENDS[backend].package
    for family in modules(package) - HELPERS[backend]:
        promised = own(importlib.import_module(f"negatives.kernels.{family}"))
        there = own(importlib.import_module(f"{package}.{family}"))
        compiled = own(importlib.import_module(f"{dispatch.BACKENDS['numba'].package}.{family}"))
        for name in (promised.keys() | INNER.get(family, set())) & compiled.keys():
            assert list(there[name].parameters) == list(compiled[name].parameters), (backend, family, name)


def test_the_device_chooses_and_what_is_asked_for_comes_first() -> None:
    on_cpu, elsewhere = torch.empty(0), torch.empty(0, device="meta")
    assert dispatch.serve("draw", on_cpu).__name__ == "negatives.kernels.jit.draw"
    assert dispatch.serve("draw", elsewhere).__name__ == "negatives.kernels.tensor.draw"
    assert dispatch.serve("order").__name__ == "negatives.kernels.jit.order"
    for backend in BACKENDS:
        with kernels.use(backend):
            assert dispatch.serve("draw", on_cpu).__name__ == f"{dispatch.BACKENDS[backend].package}.draw"
    with kernels.use("torch"):
        assert dispatch.serve("words", on_cpu).__name__ == "negatives.kernels.jit.words"
    with pytest.raises(ValueError, match="words work on meta; move the tensors to the CPU"):
        dispatch.serve("words", elsewhere)


def test_another_backend_is_a_folder_and_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that knows one family serves it, on its devices or where it is asked for, and leaves the rest."""
    folder = tmp_path / "toy_backend"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    (folder / "order.py").write_text("import torch\n\n\ndef shuffled(key, n):\n    return torch.arange(n).flip(0)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(dispatch.BACKENDS, "toy", dispatch.Backend("toy_backend", ("meta",)))
    expected = kernels.draw_uniform(torch.arange(3), 2, 9, 7)
    assert kernels.shuffled(1, 4).tolist() != [3, 2, 1, 0]
    with kernels.use("toy"):
        assert kernels.shuffled(1, 4).tolist() == [3, 2, 1, 0]
        assert torch.equal(kernels.draw_uniform(torch.arange(3), 2, 9, 7), expected)
    assert dispatch.serve("order", torch.empty(0, device="meta")).__name__ == "toy_backend.order"


def test_a_backend_that_lacks_what_it_needs_serves_where_it_is_asked_for_alone() -> None:
    for needs, serves in (("triton_of_nobody", False), ("torch", True), (None, True)):
        row = dispatch.Backend("negatives.kernels.triton", ("cuda",), needs)
        assert row.serves("cuda") == serves
        assert not row.serves("cpu")


def test_a_name_that_stands_for_no_backend_is_refused() -> None:
    code = "import torch; from negatives import kernels; kernels.draw_uniform(torch.arange(2), 2, 9, 7)"
    environment = {**os.environ, "NEGATIVES_KERNELS": "fortran"}
    told = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "ValueError: 'fortran' is none of numba, triton, torch, numpy" in told.stderr
