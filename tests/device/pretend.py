"""A device that is not there: tensors with real numbers in main memory that say they lie on ``cuda``.

PyTorch's fake tensors know shapes but no numbers, so that code which asks for a number ends there, and without a
GPU build they cannot even be indexed. Here every operation is done, on the CPU, and its result is marked. So values can
be compared with those of the CPU, and three things come to light on any machine:

* an operation on tensors of both devices fails, as it would on a GPU;
* NumPy and kernels for the CPU cannot have such a tensor;
* every place at which the CPU would wait for the device is written down.

What is not imitated: streams, autocast, the order of atomic additions, and how long anything takes.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch.utils._device import _device_constructors
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

import negatives
from negatives.kernels import dispatch

DEVICE = torch.device("cuda", 0)
CPU = torch.device("cpu")
PACKAGE = str(Path(negatives.__file__).parent)
_aten = torch.ops.aten
COUNTS = {
    _aten.nonzero.default,
    _aten.masked_select.default,
    _aten._unique2.default,
    _aten.unique_consecutive.default,
    _aten.unique_dim.default,
    _aten.bincount.default,
    _aten.repeat_interleave.Tensor,
    _aten.isin.Tensor_Tensor,
    _aten.equal.default,
}
"""Operations whose result has a size, or is a number, that the CPU must wait for."""
INDEXING = {_aten.index.Tensor, _aten.index_put_.default, _aten.index_put.default, _aten._index_put_impl_.default}
ACROSS = {_aten._to_copy.default, _aten.copy_.default, _aten._pack_padded_sequence.default}
"""Operations that take tensors of both devices: the lengths of sequences lie on the CPU."""
SCALARS = {*INDEXING, _aten.copy_.default, _aten.fill_.Tensor, _aten.masked_fill_.Tensor, _aten.masked_fill.Tensor}
"""Operations beside the pointwise ones that take one number from the CPU."""


@dataclass(slots=True)
class Log:
    """Where the CPU waited for the device, file, function and why; while ``watching``."""

    syncs: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    watching: bool = False

    def note(self, why: str) -> None:
        """Count one at the innermost function of the package on the stack; none where tests ask."""
        if not self.watching:
            return
        frame = sys._getframe(1)
        while frame is not None:
            path = frame.f_code.co_filename
            if path.startswith(PACKAGE):
                if not path.startswith(PACKAGE + "/testing"):
                    self.syncs[path[len(PACKAGE) + 1 :], frame.f_code.co_qualname, why] += 1
                return
            frame = frame.f_back  # type: ignore[assignment]


class Pretended(Tensor):
    """A tensor that says it lies on the device; ``numbers`` has its numbers."""

    numbers: Tensor
    device = DEVICE
    is_cuda, is_cpu, is_meta = True, False, False
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, real: Tensor) -> Pretended:
        if real.layout is torch.strided:
            made: Pretended = Tensor._make_wrapper_subclass(
                cls,
                real.shape,
                strides=real.stride(),
                storage_offset=real.storage_offset(),
                dtype=real.dtype,
                device="meta",
            )
        else:
            made = Tensor._make_subclass(cls, _of_shape(real))
        made.numbers = real
        return made

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> NoReturn:
        raise RuntimeError(f"{func} outside the block in which the device is pretended")

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        """See PyTorch's wrappers: a module's parameter that moves stays the same object, as it does on a GPU."""
        return ["numbers"], None

    @staticmethod
    def __tensor_unflatten__(inner: Mapping[str, Tensor], *_: object) -> Pretended:
        """The tensor of :meth:`__tensor_flatten__`."""
        return Pretended(inner["numbers"])

    def __repr__(self) -> str:  # type: ignore[override]
        return f"{self.numbers!r} on {DEVICE}"

    def __format__(self, spec: str) -> str:
        return format(self.cpu(), spec)

    def tolist(self) -> Any:
        """The numbers, for which the CPU waits."""
        return self.cpu().tolist()

    def to(self, *args: Any, **kwargs: Any) -> Tensor:
        """Itself where nothing has to change, as for any tensor."""
        if args and isinstance(args[0], Tensor):
            args = (args[0].device, args[0].dtype, *args[1:])
        plain = {name: value for name, value in kwargs.items() if name != "copy"}
        device, dtype, *_ = torch._C._nn._parse_to(*args, **plain)
        if device is not None and device.type == "meta":
            with _disable_current_modes():
                return self.numbers.to(*args, **kwargs)
        stays = device is not None and device.type == DEVICE.type and dtype in (None, self.dtype)
        return self if stays and not kwargs.get("copy") else super().to(*args, **kwargs)

    def get_device(self) -> int:
        """See :meth:`torch.Tensor.get_device`."""
        return 0

    def numpy(self, *_: Any, **__: Any) -> NoReturn:
        """Refused, as for any tensor on another device."""
        raise TypeError("can't convert cuda:0 device type tensor to numpy. Use Tensor.cpu() to copy it first.")

    __array__ = numpy  # type: ignore[assignment]


class Pretending(TorchDispatchMode):
    """Does every operation on the CPU and marks what would lie on the device."""

    _mode_key = torch._C._TorchDispatchModeKey.FAKE  # so that PyTorch does not look for a GPU

    def __init__(self) -> None:
        super().__init__()
        self.log = Log()

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # nothing is compiled here, and to say so would import the compiler

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        given: list[Tensor] = []
        outer, args = args, _unmarked(args, given)
        kwargs = {name: _unmarked(value, given) for name, value in kwargs.items()} if kwargs else {}
        there = [one for one in given if type(one) is Pretended]
        asked = kwargs.get("device")
        if asked is not None:
            kwargs["device"] = CPU
        target = bool(there) if asked is None else torch.device(asked).type != "cpu"  # PyTorch itself asks for meta
        if func is _aten.copy_.default:
            target = isinstance(given[0], Pretended)
        if self.log.watching and (there or target):
            self._waits(func, args, kwargs, given, there, target)
        if there and len(there) < len(given):
            _same_device(func, args, given)
        found = func(*args, **kwargs)
        if there and torch.Tag.inplace_view in func.tags:
            with no_dispatch():
                func(*outer, **kwargs)  # the shape of the tensor that stands for the numbers changes, too
        if not target:
            return found
        marked = _marked(found, there)
        return (marked[0], found[1]) if func is _aten._pack_padded_sequence.default else marked

    def _waits(
        self, func: Any, args: Any, kwargs: Mapping[str, Any], given: list[Tensor], there: list[Tensor], target: bool
    ) -> None:
        """Note the operation if the CPU would wait in it."""
        if func is _aten._local_scalar_dense.default:
            self.log.note("a number")
        elif func in (_aten._to_copy.default, _aten.copy_.default):
            if not target or len(there) < len(given):
                self.log.note("a copy to the device" if target else "a copy to the CPU")
        elif func is _aten.isin.Tensor_Tensor and args[1].numel() < 10 * args[0].numel() ** 0.145:
            pass  # few are compared one by one, many are sorted
        elif kwargs.get("output_size") is not None:
            pass  # the caller knows the size
        elif (func in COUNTS and there) or (func in INDEXING and _by_mask(func, args)):
            self.log.note("a size")


def _of_shape(real: Tensor) -> Tensor:
    """A sparse tensor without numbers."""
    if real.layout is torch.sparse_coo:
        return torch.empty(real.shape, dtype=real.dtype, layout=real.layout, device="meta")
    return real.to("meta")


def _unmarked(value: Any, given: list[Tensor]) -> Any:
    """An argument with the numbers of pretended tensors; all tensors in it are added to ``given``."""
    kind = type(value)
    if kind is Pretended:
        given.append(value)
        return value.numbers
    if kind is tuple or kind is list:
        return kind([one if type(one) is int else _unmarked(one, given) for one in value])
    if isinstance(value, Tensor):
        given.append(value)
    return value


def _marked(value: Any, there: list[Pretended]) -> Any:
    """A result whose tensors lie on the device; what was changed in place is the argument itself."""
    if isinstance(value, Tensor):
        for one in there:
            if one.numbers is value:
                return one
        return Pretended(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_marked(one, there) for one in value)
    return value


def _by_mask(func: Any, args: Any) -> bool:
    """Whether the places are a mask; one number written to them needs no list of them."""
    masks = any(isinstance(one, Tensor) and one.dtype in (torch.bool, torch.uint8) for one in args[1])
    return masks and (func is _aten.index.Tensor or args[2].numel() != 1)


def _same_device(func: Any, args: Any, given: list[Tensor]) -> None:
    """Refuse tensors of both devices; one number from the CPU is taken as a number.

    Indices on the CPU, which PyTorch would copy to the table's device at every call, are refused too.
    """
    if func in ACROSS:
        return
    others = [one for one in given if not isinstance(one, Pretended)]
    takes = torch.Tag.pointwise in func.tags or func in SCALARS
    if func in INDEXING:  # the table, its indices, and perhaps what is written
        indices = sum(one is not None for one in args[1])
        takes = all(isinstance(one, Pretended) for one in given[: 1 + indices])
    if not takes or any(one.dim() for one in others):
        raise RuntimeError(
            f"Expected all tensors to be on the same device, but {func} got some on cuda:0 and some on cpu"
        )


class _Generator(torch.Generator):
    """One for the CPU, whatever is asked for."""

    def __new__(cls, device: object = "cpu") -> _Generator:
        return super().__new__(cls)  # type: ignore[return-value]


def _csr_tensor(crow_indices: Tensor, col_indices: Tensor, values: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """One that asks no driver for the device, and puts its parts there."""
    device, parts = kwargs.pop("device", None), (crow_indices, col_indices, values)
    return _CSR_TENSOR(*(parts if device is None else (one.to(device) for one in parts)), *args, **kwargs)


_CSR_TENSOR = torch.sparse_csr_tensor
REPLACED: Mapping[str, Any] = {"Generator": _Generator, "sparse_csr_tensor": _csr_tensor}
"""Makers of PyTorch that would look for the device before an operation is dispatched."""


@contextmanager
def pretended() -> Iterator[Log]:
    """In the block ``device="cuda"`` works on any machine, and what waits for it is logged."""
    kept, lifts = {name: getattr(torch, name) for name in REPLACED}, torch._C._only_lift_cpu_tensors()
    for name, one in REPLACED.items():
        setattr(torch, name, one)
    triton = dispatch.BACKENDS["triton"]
    dispatch.BACKENDS["triton"] = replace(triton, devices=())  # its kernels read a real device's memory
    torch._C._set_only_lift_cpu_tensors(True)  # so that torch.tensor makes numbers on the CPU and then moves them
    try:
        with torch.backends.cudnn.flags(enabled=False), Pretending() as mode:
            yield mode.log
    finally:
        for name, one in kept.items():
            setattr(torch, name, one)
        dispatch.BACKENDS["triton"] = triton
        torch._C._set_only_lift_cpu_tensors(lifts)


Factory = Callable[..., Any]


class OnDevice(torch.overrides.TorchFunctionMode):
    """Tensors that tests make lie on the device unless they say otherwise; those of the package do not.

    PyTorch's own default device would hide every ``device=`` that the package has forgotten.
    """

    def __init__(self, device: torch.device, folders: tuple[str, ...]) -> None:
        super().__init__()
        self.device, self.folders, self.on = device, folders, True
        self.makers = _device_constructors()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What is made in the block lies on the CPU."""
        self.on = False
        try:
            yield
        finally:
            self.on = True

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.on and func in self.makers and kwargs.get("device") is None:
            frame = sys._getframe(1)
            if frame.f_code.co_filename.startswith(self.folders):
                kwargs["device"] = self.device
        return func(*args, **kwargs)
