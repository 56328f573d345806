"""The miner on a small package with a known answer, the cache, and a smoke over the real library."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from negatives.data.loading.pairs import load_pairs
from negatives.data.offline import sources as stdlib
from negatives.data.offline.views import function_calls

SOURCE = '''"""Module text."""
import os.path, sys
from .near import thing
setup()

class Door(base.Thing, Generic[T]):
    """Class text."""

    def open(self):
        """Open it."""
        self.lock.turn(key())
        def inner():
            knock()
        if bad:
            raise errors.Stuck("x")
        self.turn()
'''


@pytest.fixture
def package(tmp_path: Path) -> Path:
    root = tmp_path / "lib"
    (root / "pkg" / "test").mkdir(parents=True)
    (root / "pkg" / "__init__.py").write_text(SOURCE)
    (root / "pkg" / "test" / "hidden.py").write_text("def f(): g()\n")
    (root / "broken.py").write_text("def f(:\n")
    (root / "nul.py").write_bytes(b"\0\0")
    return root


def test_records_of_a_small_package(package: Path) -> None:
    records = stdlib.mine(package).rows(named=True)
    assert [(r["kind"], r["module"], r["name"]) for r in records] == [
        ("module", "pkg", ""),
        ("class", "pkg", "Door"),
        ("function", "pkg", "Door.open"),
        ("function", "pkg", "Door.open.inner"),
    ]
    module, door, opening, inner = records
    assert (module["imports"], module["calls"]) == (["os.path", "sys", ".near"], ["setup"])
    assert (door["bases"], door["doc"]) == (["Thing", "Generic"], "Class text.")
    assert (opening["calls"], opening["raises"]) == (["turn", "key", "Stuck", "turn"], ["Stuck"])
    assert set(opening["uses"]) == {"lock", "turn", "key", "bad", "errors", "Stuck"}
    assert (opening["doc"], inner["calls"], inner["doc"]) == ("Open it.", ["knock"], None)


def test_calls_of_few_functions_are_dropped(tmp_path: Path) -> None:
    body = "".join(f"def f{i}():\n    common()\n    common()\n    rare{i}()\n" for i in range(5))
    (tmp_path / "m.py").write_text(body)
    table = function_calls(tmp_path)
    assert table.ids("user").text().to_list() == [f"m.f{i}" for i in range(5)]
    assert set(table.ids("item").text()) == {"common"}
    assert any("5 pairs with names in fewer than 5" in note for note in table.notes)


@pytest.fixture
def fake_library(package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stdlib.sysconfig, "get_paths", lambda: {"stdlib": str(package)})
    monkeypatch.setenv("NEGATIVES_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_cache_is_written_and_read(fake_library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = stdlib.mine()
    assert stdlib.cache_file().is_relative_to(fake_library)
    assert stdlib.cache_file().is_file()
    monkeypatch.setattr(stdlib, "_mine", lambda root: pytest.fail("the cache was not read"))
    assert stdlib.mine().equals(first)


def test_damaged_or_unwritable_cache_is_no_obstacle(fake_library: Path) -> None:
    first = stdlib.mine()
    stdlib.cache_file().write_bytes(b"damaged")
    assert stdlib.mine().equals(first)
    stdlib.cache_file().unlink()
    fake_library.joinpath("negatives").rmdir()
    fake_library.rmdir()
    fake_library.write_text("a file stands where the folder should be")
    assert stdlib.mine().equals(first)


def test_the_real_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path(stdlib.sysconfig.get_paths()["stdlib"])
    for name in ("json", "email", "asyncio"):
        (tmp_path / name).symlink_to(real / name)
    monkeypatch.setattr(stdlib.sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})
    records = stdlib.mine(cache=False)
    load = records.filter((pl.col("module") == "json") & (pl.col("name") == "load"))
    assert load["calls"].to_list() == [["loads", "read"]]
    data = load_pairs(None, cache=False, test=0.2)
    assert data.name == "stdlib"
    assert data.features is not None
    assert data.features.n_rows == data.n_items > 50
