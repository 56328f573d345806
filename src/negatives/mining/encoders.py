"""Sentence Transformers models and cross-encoders as what mining needs: functions and a digest of the weights."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.mining.mine import Teacher
from negatives.models.encoders.sentence_transformers import MISSING, UNTRUSTED, load_encoder, model_folder
from negatives.models.fingerprint import fingerprint


@dataclass(frozen=True, slots=True)
class Embedder:
    """A model that gives vectors.

    Args:
        encode: Takes texts and ``query`` or ``item``, gives vectors.
        key: Digest of its weights.
    """

    encode: Callable[[Sequence[str], str], Tensor]
    key: str


def sentence_embedder(path: str, encoder: Any = None) -> Embedder:
    """A Sentence Transformers model from a folder, a package, the local cache, or one that is loaded already.

    Raises:
        ConfigError: There is no such model.
    """
    model = load_encoder(path) if encoder is None else encoder

    def encode(texts: Sequence[str], kind: str) -> Tensor:
        method = model.encode_query if kind == "query" else model.encode_document
        found: Tensor = method(list(texts), convert_to_tensor=True, show_progress_bar=False, batch_size=64)
        return found

    return Embedder(encode, fingerprint(model.state_dict()))


def cross_encoder(path: str, queries: Sequence[str], items: Sequence[str]) -> Teacher:
    """A cross-encoder as a teacher over ids.

    Raises:
        ConfigError: The package is missing, or there is no such model.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise ConfigError(MISSING)
    folder = model_folder(path)
    from sentence_transformers import CrossEncoder

    try:
        if folder is None:
            raise FileNotFoundError("no such folder")
        model = CrossEncoder(str(folder), device="cpu", model_kwargs={"use_safetensors": True}, **UNTRUSTED)
    except Exception as error:
        reason = " ".join(str(error).split())[:120]
        raise ConfigError(
            f"no cross-encoder is found under {path!r} ({reason}); give a folder that holds one"
        ) from error

    def score(rows: Tensor, ids: Tensor) -> Tensor:
        pairs = [(queries[row], items[item]) for row, item in zip(rows.tolist(), ids.tolist(), strict=True)]
        return torch.as_tensor(model.predict(pairs, convert_to_tensor=True, show_progress_bar=False)).float().cpu()

    return score
