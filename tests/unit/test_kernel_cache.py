"""The folder of compiled kernels: damage, strangers, full disks and several processes cannot stop a run."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

import pytest

from negatives import kernels
from negatives.kernels.jit import cache, compile, kept


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the kernels of one test are kept."""
    place = tmp_path / "kernels"
    monkeypatch.setattr(cache, "location", lambda: str(place))
    monkeypatch.setattr(kept, "told", set())
    return place


def double(x):  # type: ignore[no-untyped-def]
    return 2 * x


def compiled_anew() -> bool:
    """Run a kernel as a new process would, and tell whether it had to be compiled."""
    made = compile.kernel(double)
    assert made(21) == 42
    return not made.stats.cache_hits


def kept_files(folder: Path, ending: str) -> list[Path]:
    return sorted(folder.glob(f"*/*.{ending}"))


def test_a_kernel_is_compiled_once(folder: Path) -> None:
    assert compiled_anew()
    assert not compiled_anew()
    assert len(kept_files(folder, "nbi")) == len(kept_files(folder, "nbc")) == 1


@pytest.mark.parametrize("ending", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["cut", "empty", "garbled", "other bytes", "missing", "a folder"])
def test_a_damaged_file_is_mended(folder: Path, ending: str, damage: str) -> None:
    compiled_anew()
    (path,) = kept_files(folder, ending)
    content = path.read_bytes()
    path.unlink()
    changed = bytearray(content)
    changed[len(changed) // 2] ^= 1
    found = {"cut": content[: len(content) // 2], "empty": b"", "garbled": bytes(changed), "other bytes": b"x" * 99}
    if damage == "a folder":
        path.mkdir()
    elif damage in found:
        path.write_bytes(found[damage])
    assert compiled_anew()
    if damage != "a folder":
        assert not compiled_anew()
        assert len(kept_files(folder, "nbc")) == 1


def test_a_full_disk_is_told_once_and_stops_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(self: kept.SealedFiles, name: str, data: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(kept.SealedFiles, "_save_data", full)
    with caplog.at_level(logging.WARNING):
        assert compiled_anew()
        assert compiled_anew()
    (line,) = caplog.messages
    assert "No space left on device" in line
    assert f"cannot be kept in {folder}" in line
    assert "NUMBA_CACHE_DIR" in line
    monkeypatch.undo()


def test_two_processes_that_compile_at_once_never_swap_their_kernels(folder: Path) -> None:
    """Both have read an index without either kernel, and the slower one overwrites that of the faster one."""
    first, second = compile.kernel(double), compile.kernel(double)
    first._cache._cache_file._load_index = dict
    second._cache._cache_file._load_index = dict
    assert first(2) == 4
    assert second(1.5) == 3.0
    assert len(kept_files(folder, "nbc")) == 2
    made = compile.kernel(double)
    assert made(1.5) == 3.0
    assert made(2) == 4


def test_nothing_is_kept_where_nothing_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither home, nor cache, nor temporary folder; and nothing is made in the current one."""

    def nowhere() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/nowhere']")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    for name, value in {"XDG_CACHE_HOME": "", "HOME": "~", "NUMBA_CACHE_DIR": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    assert cache.location.__wrapped__() is None
    assert not list(tmp_path.iterdir())


def test_a_home_that_nobody_knows_is_no_folder_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert all(folder.is_absolute() for folder in cache.candidates())


def test_a_folder_that_a_stranger_may_exchange_is_not_trusted(tmp_path: Path) -> None:
    """What lies there is run as code."""
    open_to_all = tmp_path / "open"
    open_to_all.mkdir()
    open_to_all.chmod(0o777)
    assert not cache.usable(open_to_all / "negatives")
    open_to_all.chmod(0o1777)  # as /tmp, where nobody renames what is not his
    assert cache.usable(open_to_all / "negatives")


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("what", ["folder", "above", "link"])
def test_what_belongs_to_a_stranger_is_not_trusted(tmp_path: Path, what: str) -> None:
    above, own = tmp_path / "above", tmp_path / "own"
    folder = above / "negatives"
    above.mkdir()
    own.mkdir(mode=0o700)
    if what == "link":
        folder.symlink_to(own)
    else:
        folder.mkdir(mode=0o700)
    assert cache.usable(folder)
    os.chown(above if what == "above" else folder, 12345, 12345, follow_symlinks=False)
    assert not cache.usable(folder)


def test_every_kernel_is_kept_so() -> None:
    from negatives.kernels.jit import order

    kernels.shuffled(1, 3)
    made = [one for one in vars(order).values() if hasattr(one, "py_func")]
    assert made
    assert all(isinstance(one._cache, kept.KeptKernel) for one in made)
