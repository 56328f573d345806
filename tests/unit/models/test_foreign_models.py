"""Folders of models that somebody else has made: none runs code of its own, and those of the library load."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from negatives.errors import ConfigError
from negatives.mining.encoders import cross_encoder
from negatives.models.encoders.sentence_transformers import load_encoder

pytestmark = pytest.mark.filterwarnings("ignore")
TEXTS = ["the red fox", "a green hill"]
EVIL = """
from pathlib import Path
import torch
Path({mark!r}).write_text("run")
class Evil(torch.nn.Module):
    def __init__(self, *args, **kwargs):
        super().__init__()
    load = classmethod(lambda cls, *args, **kwargs: cls())
    from_pretrained = load
    forward = lambda self, x: x
"""


def tokenizer(folder: Path) -> Any:
    from transformers import BertTokenizer

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *["the", "red", "fox", "a", "green", "hill"]]
    (folder / "vocab.txt").write_text("\n".join(words))
    return BertTokenizer(str(folder / "vocab.txt"))


def bert(folder: Path) -> Path:
    """A tiny transformer as Transformers saves it."""
    from transformers import BertConfig, BertModel

    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = BertConfig(vocab_size=11, max_position_embeddings=16, **sizes)
    BertModel(config).save_pretrained(folder)
    tokenizer(folder).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer with pooling, a dense layer and length one."""
    import sentence_transformers as package
    from sentence_transformers import models

    base = bert(tmp_path_factory.mktemp("bert"))
    modules = [models.Transformer(str(base)), models.Pooling(8), models.Dense(8, 4), models.Normalize()]
    package.SentenceTransformer(modules=modules, device="cpu").save(str(base.parent / "sound"))
    return base.parent / "sound"


def static(folder: Path) -> Path:
    import sentence_transformers as package
    from sentence_transformers.models import StaticEmbedding

    from negatives.data.tokens import learn_tokenizer

    inner = StaticEmbedding(learn_tokenizer(TEXTS, 40), embedding_dim=8)
    package.SentenceTransformer(modules=[inner], device="cpu").save(str(folder))
    return folder


def word_vectors(folder: Path) -> Path:
    import sentence_transformers as package
    from sentence_transformers import models
    from sentence_transformers.models.tokenizer import WhitespaceTokenizer

    words = models.WordEmbeddings(WhitespaceTokenizer(["red", "fox"]), torch.randn(2, 8).numpy())
    package.SentenceTransformer(modules=[words, models.Pooling(8)], device="cpu").save(str(folder))
    return folder


def router(folder: Path) -> Path:
    import sentence_transformers as package
    from sentence_transformers import models

    route = models.Router.for_query_document(
        query_modules=[models.Transformer(str(bert(folder / "a"))), models.Pooling(8)],
        document_modules=[models.Transformer(str(bert(folder / "b"))), models.Pooling(8)],
    )
    package.SentenceTransformer(modules=[route], device="cpu").save(str(folder / "whole"))
    return folder / "whole"


@pytest.mark.parametrize("form", [static, word_vectors, router, bert])
def test_the_library_s_own_forms_load(form: Callable[[Path], Path], tmp_path: Path) -> None:
    assert load_encoder(str(form(tmp_path))).encode(TEXTS).shape == (2, 8)


def test_a_transformer_loads_and_is_the_same(model: Path) -> None:
    import sentence_transformers as package

    theirs = package.SentenceTransformer(str(model), device="cpu").encode(TEXTS)
    assert load_encoder(str(model)).encode(TEXTS).tolist() == theirs.tolist()


def changed(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def of_module(name: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "modules.json"
        modules = json.loads(path.read_text())
        path.write_text(json.dumps([*modules[:-1], modules[-1] | {"type": name}]))

    return change


def without_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": 1}))


def linked(folder: Path) -> None:
    shutil.move(folder / "2_Dense", folder.parent / "elsewhere")
    (folder / "2_Dense").symlink_to(folder.parent / "elsewhere")


def leads_out(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([modules[0] | {"path": "../other"}, *modules[1:]]))


HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "a module of its own": (of_module("evil.Evil"), "names the class 'evil.Evil'"),
    "a module called as a library": (of_module("transformers.Evil"), "names the class"),
    "a module of another package": (of_module("os.path.join"), "names the class"),
    "code for the configuration": (
        lambda folder: changed(folder / "config.json", auto_map={"AutoConfig": "evil.Evil", "AutoModel": "evil.Evil"}),
        "auto_map asks for code",
    ),
    "code for the tokenizer": (
        lambda folder: changed(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": ["evil.Evil", None]}),
        "auto_map asks for code",
    ),
    "trust in itself": (
        lambda folder: changed(folder / "sentence_bert_config.json", model_args={"trust_remote_code": True}),
        "trust_remote_code asks for code",
    ),
    "an activation of its own": (
        lambda folder: changed(folder / "2_Dense" / "config.json", activation_function="evil.Evil"),
        "names the class 'evil.Evil'",
    ),
    "a kernel of the hub": (
        lambda folder: changed(folder / "config.json", _attn_implementation="somebody/kernel"),
        "names the kernel",
    ),
    "weights in a pickle": (without_safetensors, "is a pickle"),
    "a folder elsewhere": (linked, "is a link to a folder"),
    "a path elsewhere": (leads_out, "leads out of the folder"),
    "a configuration without end": (
        lambda folder: (folder / "config.json").write_text('{"a":' * 100_000),
        "cannot be read as JSON",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_would_run_code_is_refused(name: str, model: Path, tmp_path: Path) -> None:
    folder, mark = tmp_path / "model", tmp_path / "mark"
    shutil.copytree(model, folder)
    for place in (folder, folder / "2_Dense"):
        for file in ("evil.py", "transformers.py"):
            (place / file).write_text(EVIL.format(mark=str(mark)))
    change, told = HOSTILE[name]
    change(folder)
    with pytest.raises(ConfigError, match=told) as caught:
        load_encoder(str(folder))
    assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match=told):
        cross_encoder(str(folder), TEXTS, TEXTS)
    assert not mark.exists()
