"""Numba's cache of one kernel, made so that nothing in it can stop a run.

Numba's own stops at a file that is cut or garbled, hands the machine code in it to the processor without a look, and
may give two processes that compile at once one name for two kernels. Here every file carries its checksum; what does
not fit it is no file, and the kernel is compiled anew; names of data files are drawn. What cannot be kept, on a full
disk for instance, is told once.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pickle
import uuid
from pathlib import Path
from typing import Any

from numba.core.caching import FunctionCache, IndexDataCacheFile

log = logging.getLogger(__name__)

told: set[str] = set()
"""Folders of which it was said that they cannot be written."""


class SealedFiles(IndexDataCacheFile):  # type: ignore[misc]
    """The index and the data files of one kernel; only what :func:`seal` has closed is unpickled."""

    def _load_index(self) -> dict[Any, str]:
        content = None
        with contextlib.suppress(OSError):
            content = unseal(Path(self._index_path).read_bytes())
        with contextlib.suppress(Exception):  # another version of Numba may not know what this one has pickled
            stamp, overloads = pickle.loads(content or b"")
            if stamp == self._source_stamp:
                found: dict[Any, str] = overloads
                return found
        self._drop_data()
        return {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        with self._open_for_write(self._index_path) as file:
            file.write(seal(self._dump((self._source_stamp, overloads))))

    def _load_data(self, name: str) -> Any:
        content = unseal(Path(self._data_path(name)).read_bytes())
        return None if content is None else pickle.loads(content)

    def _save_data(self, name: str, data: Any) -> None:
        with self._open_for_write(self._data_path(name)) as file:
            file.write(seal(self._dump(data)))

    def _data_name(self, number: int) -> str:
        name: str = self._data_name_pattern.replace("{number:d}", uuid.uuid4().hex[:16])
        return name

    def _drop_data(self) -> None:
        """Remove files that no index names any more."""
        for path in Path(self._cache_path).glob(self._data_name_pattern.replace("{number:d}", "*")):
            with contextlib.suppress(OSError):
                path.unlink()


class KeptKernel(FunctionCache):  # type: ignore[misc]
    """Numba's cache over :class:`SealedFiles`; neither reading nor writing it ever fails."""

    def __init__(self, function: Any) -> None:
        super().__init__(function)
        own = self._impl
        self._cache_file = SealedFiles(self._cache_path, own.filename_base, own.locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception as error:  # whatever unpickling or another version of Numba may raise
            log.debug("a kept kernel cannot be used: %s", error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except Exception as error:
            folder = os.path.dirname(self._cache_path)
            if folder not in told:
                told.add(folder)
                reason = getattr(error, "strerror", None) or error
                log.warning(
                    "compiled kernels cannot be kept in %s (%s), so the next start compiles them again; free some "
                    "space there, or set NUMBA_CACHE_DIR to another folder of yours",
                    folder,
                    reason,
                )


def seal(content: bytes) -> bytes:
    """The bytes after their checksum."""
    return hashlib.sha256(content).digest() + content


def unseal(found: bytes) -> bytes | None:
    """What :func:`seal` was given; None where a bit has changed or is missing.

    >>> unseal(seal(b"code")), unseal(seal(b"code")[:-1])
    (b'code', None)
    """
    digest, content = found[:32], found[32:]
    return content if hashlib.sha256(content).digest() == digest else None
