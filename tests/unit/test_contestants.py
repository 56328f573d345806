"""Samplers of a comparison: presets, files of one's own, and presets of other packages."""

from __future__ import annotations

import json
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from negatives.cli import main
from negatives.config import Part, RunConfig
from negatives.errors import ConfigError, InputError
from negatives.runs import contestants as module
from negatives.runs.builder import task_of
from negatives.runs.contestants import Contestant, contestants
from negatives.sampler import Preset, presets
from quick import ALONE

WORDS = [*ALONE, "--set", "model.name=mf", "--set", "batch_size=256", "--epochs", "1", "--seeds", "1"]
OTHER = Preset("hard", "of another package", "here", {"proposal": "uniform", "candidates": 3}, "hinge")


def file(folder: Path, text: str, name: str = "mine.toml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_a_file_holds_a_sampler_and_a_loss(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = 'loss = {name = "hinge", margin = 2.0}\n[sampler]\nname = "dns"\ncandidates = 4\n'
    loss = Part("hinge", {"margin": 2.0})
    assert contestants(["dns", file(tmp_path, text)]) == [
        Contestant("dns", Part("dns")),
        Contestant("mine", Part("dns", {"candidates": 4}), loss),
    ]
    assert main(["samplers", "sir"]) == 0
    shown = file(tmp_path, capsys.readouterr().out, "shown.toml")
    (one,) = contestants([shown])
    assert (one.name, one.loss, one.sampler.name) == ("shown", Part("bpr"), None)
    assert one.sampler.params["select"] == {"name": "softmax", "k": 1, "temperature": 0.5}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[sampler]\nname = "dnss"\n', "mine.toml: no sampler is called 'dnss'"),
        ('loss = "bpr"\n', "there is no table [sampler]"),
        ('epochs = 3\n[sampler]\nname = "dns"\n', "no key is called 'epochs' in a sampler's file"),
        ('loss = "brp"\n[sampler]\nname = "dns"\n', "mine.toml: no loss is called 'brp'; did you mean bpr"),
        ("[sampler]\ncandidate = 3\n", "a sampler has no part 'candidate'"),
    ],
)
def test_a_faulty_file_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as told:
        contestants([file(tmp_path, text)])
    assert said in str(told.value)


def test_files_need_names_of_their_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="different names"):
        contestants(["dns", file(tmp_path, '[sampler]\nname = "dns"\n', "dns.toml")])
    with pytest.raises(InputError, match=r"absent\.toml"):
        contestants([str(tmp_path / "absent.toml")])


@pytest.mark.parametrize(
    ("task", "sampler", "losses"),
    [
        ("recommend", Part("auto"), ["bpr", "sampled_softmax", "logistic"]),
        ("recommend", Part("auto", {"candidates": 8}), ["bpr"]),  # that names a form
        ("recommend", Part("dns"), ["bpr"]),
        ("recommend", Part(None, {"proposal": "uniform"}), ["bpr"]),
        ("search", Part("auto"), ["info_nce", "bpr", "logistic"]),
        ("knowledge", Part("auto"), ["logistic", "bpr", "sampled_softmax"]),
        ("language", Part("auto"), ["sampled_softmax"]),  # under the other, scores are no probabilities
    ],
)
def test_a_sampler_with_a_form_for_each_kind_of_loss_is_searched_in_all(
    task: str, sampler: Part, losses: list[str]
) -> None:
    config, of = RunConfig(task=task), task_of(RunConfig(task=task))
    examples = of.load(None, config)
    one = Contestant("one", sampler)
    found = one.forms(config, of, examples)
    assert [str(form.loss) for form in found] == losses
    assert found[0] == one.filled(config, of, examples)
    steps = [form.optimiser.lr for form in found]
    assert task != "recommend" or len(found) == 1 or steps == [0.1, 0.02, 0.1]  # each has the optimiser of its loss
    named = config.model_copy(update={"loss": Part("sampled_softmax")})
    assert len(one.forms(named, of, examples)) == 1


def test_a_file_and_another_packages_preset_are_compared(
    planted_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "OTHER", OTHER, raising=False)
    points = [EntryPoint("other", f"{module.__name__}:OTHER", "negatives.presets")]
    monkeypatch.setattr(presets, "_others", None)
    monkeypatch.setattr(presets, "_rows", dict(presets._rows))
    with monkeypatch.context() as patch:
        patch.setattr("importlib.metadata.entry_points", lambda group: points * (group == "negatives.presets"))
        assert "other" in presets
    mine = file(tmp_path, 'loss = {name = "hinge", margin = 2.0}\n[sampler]\nproposal = "uniform"\ncandidates = 2\n')
    out = tmp_path / "c"
    names = f"uniform,other,{mine}"
    assert main(["compare", "recommend", str(planted_file), "--samplers", names, "--out", str(out), *WORDS]) == 0
    found = json.loads((out / "compare.json").read_text())
    assert list(found["chosen"]) == ["uniform", "other", "mine"]
    metrics = {name: json.loads((out / f"{name}-0" / "metrics.json").read_text()) for name in found["chosen"]}
    assert {name: one["sampler"] for name, one in metrics.items()} == {name: name for name in metrics}
    assert [one["loss"] for one in metrics.values()] == ["bpr", "hinge", "hinge"]
    assert "loss.margin" in found["chosen"]["mine"]["values"]
    assert found["chosen"]["mine"]["trials"][0]["values"]["loss.margin"] == 2.0
    assert {row["sampler"] for row in found["summary"]} == {"uniform", "other", "mine"}
