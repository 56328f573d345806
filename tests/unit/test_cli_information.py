"""Commands that inform: help, samplers, doctor; and the public namespace."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import negatives
from negatives.cli import checks, main
from negatives.cli.app import COMMANDS
from negatives.cli.samplers import LISTWISE, POINTWISE
from negatives.losses import Logistic, Loss, SampledSoftmax
from negatives.sampler import preset, presets, resolve


def test_help_lists_every_command_once(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    for command in COMMANDS:
        assert text.count(f"│ {command.__name__} ") == 1


@pytest.mark.parametrize("command", [command.__name__ for command in COMMANDS])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"negatives {command}" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == negatives.__version__


def test_samplers_lists_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["samplers"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for name in presets:
        assert f"{name} ({preset(name).family}) {preset(name).summary}" in text
        assert preset(name).source in text


@pytest.mark.parametrize("name", sorted(presets))
def test_a_sampler_in_full_is_toml_that_builds_the_same(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["samplers", name]) == 0
    text = capsys.readouterr().out
    values = tomllib.loads(text)
    assert resolve(values["sampler"]) == resolve(name)
    assert values["loss"] == preset(name).loss
    assert "alpha=" in text


@pytest.mark.parametrize(
    ("where", "loss", "shown"),
    [
        (LISTWISE, SampledSoftmax(), "proposal mixed(parts=seen+in_batch"),
        (POINTWISE, Logistic(), "proposal uniform"),
    ],
)
def test_the_forms_for_other_losses_are_shown_too(
    where: str, loss: Loss, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["samplers", "auto"]) == 0
    _, _, rest = capsys.readouterr().out.partition(f"# {where[0].upper()}{where[1:]}:\n")
    second = "\n".join(line[2:] for line in rest.partition("\n\n")[0].splitlines())
    assert resolve(tomllib.loads(second)["sampler"]) == resolve("auto", loss) != resolve("auto")
    assert main(["samplers"]) == 0
    assert f"{where}: {shown}" in " ".join(capsys.readouterr().out.split())


def test_doctor_finds_this_machine_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines] == list(checks.CHECKS)


def test_doctor_and_the_suite_know_every_optional_library() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text()
    extras = tomllib.loads(text)["project"]["optional-dependencies"]
    installed = set(extras.pop("test"))
    assert set(checks.EXTRAS.values()) == extras.keys()
    assert {library for libraries in extras.values() for library in libraries} <= installed


def test_doctor_ends_with_one_if_something_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> checks.Result:
        raise ImportError("no\nlibrary")

    monkeypatch.setattr(checks, "CHECKS", {"torch": broken, "disk": checks.disk})
    assert main(["doctor"]) == 1
    assert capsys.readouterr().out.splitlines()[0].split(maxsplit=2) == ["broken", "torch", "ImportError: no library"]


@pytest.mark.parametrize("name", negatives.__all__)
def test_public_names_are_there(name: str) -> None:
    assert getattr(negatives, name) is not None


def test_the_public_namespace_is_closed() -> None:
    assert dir(negatives) == sorted(negatives.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        negatives.nothing  # noqa: B018


def test_importing_the_package_is_light() -> None:
    code = "import sys, negatives; print(*{'torch', 'numba', 'numpy', 'pydantic'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
