"""Any Sentence Transformers model as the one tower of queries and documents (Reimers and Gurevych, 2019).

``f(x)`` is the model's sentence embedding at unit length. The model stays in evaluation mode, so that no dropout draws
from a global generator and a step depends on its keys alone.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from negatives.errors import ConfigError
from negatives.models.encoders.base import TextEncoder
from negatives.models.encoders.foreign import check_folder
from negatives.models.fingerprint import fingerprint
from negatives.models.restoring import own_files

MISSING = "sentence_transformers needs its package; run: pip install 'negatives[sentence-transformers]'"
FOLDER = "encoder"
"""Where a run's folder holds the model that was trained."""
MARK = "modules.json"
"""The file by which a folder is known to hold a model."""
UNTRUSTED: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""How every model is loaded, whoever made it."""
log = logging.getLogger(__name__)


class SentenceEncoder(TextEncoder):
    """A pretrained tower that is trained further.

    Args:
        queries: Texts of the queries.
        documents: Texts of the documents.
        path: A folder, an installed package that carries a model, or the name of a model in the local cache.
        length: Tokens after which a text is cut off; the model's own limit where that is smaller.
        prompts: What is put in front of each query and of each document.
        scale: Factor of the cosine.
        half: Multiply in bfloat16; parameters and embeddings stay float32.
        seed: Not used: the model is given.

    Raises:
        ConfigError: The package is missing, or no model is found under ``path``.
    """

    block = 64

    def __init__(
        self,
        queries: Sequence[str],
        documents: Sequence[str],
        path: str = "",
        length: int = 256,
        prompts: tuple[str, str] = ("", ""),
        scale: float = 20.0,
        half: bool = False,
        seed: int = 0,
    ) -> None:
        own = own_files(FOLDER)
        encoder = load_encoder(path if own is None else str(own))
        self._read = own is not None
        for tensor in chain(encoder.parameters(), encoder.buffers()):
            tensor.data = tensor.data.clone()  # sums over mapped memory, aligned otherwise, may differ in a bit
        dim = int(encoder.get_embedding_dimension())
        super().__init__(len(queries), len(documents), dim, scale)
        self.encoder, self.half_precision = encoder.eval(), half
        limit = encoder.max_seq_length
        if limit is not None and length < limit < math.inf:  # infinite where the model has no such limit
            encoder.max_seq_length = length
        self._prompts = {"query": prompts[0], "item": prompts[1]}
        self._queries = [prompts[0] + text for text in queries]
        self._documents = [prompts[1] + text for text in documents]
        self._tables: tuple[str, tuple[Tensor, Tensor]] | None = None

    def take_own_prompts(self) -> None:
        """Put in front of texts what the model carries for it, in place of what was given."""
        own = self.encoder.prompts
        document = next((own[name] for name in ("document", "passage", "corpus") if own.get(name)), "")
        self._prompts = {"query": own.get("query") or "", "item": document}

    def kept(self) -> dict[str, Any]:
        """No texts: what encodes new ones stands in files of its own."""
        return dict(self.given) | {"queries": [], "documents": []}

    def write_files(self, folder: Path) -> frozenset[str]:
        """As a Sentence Transformers model that can be used by itself, with the prompts and the length in it."""
        encoder = self.encoder
        encoder.prompts = {"query": self._prompts["query"], "document": self._prompts["item"]}
        encoder.default_prompt_name, encoder.similarity_fn_name = None, "cosine"
        encoder.save(str(folder / FOLDER), create_model_card=False)
        return frozenset(self.state_dict())

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """As in PyTorch; an empty state is that of the files from which the model was built."""
        return super().load_state_dict(state_dict, strict and not (self._read and not state_dict), assign)

    def train(self, mode: bool = True) -> SentenceEncoder:
        """Stays in evaluation mode; gradients flow all the same."""
        return super().train(False)

    def encode_queries(self, queries: Tensor) -> Tensor:
        return self._distinct(self._queries, queries)

    def encode_items(self, items: Tensor) -> Tensor:
        return self._distinct(self._documents, items)

    def encode_texts(self, texts: Sequence[str], kind: str = "query") -> Tensor:
        """See :meth:`TextEncoder.encode_texts`."""
        return self._encode([self._prompts[kind] + text for text in texts])

    @torch.no_grad()
    def encode_many(self, texts: Sequence[str], kind: str = "query") -> Tensor:
        """See :meth:`TextEncoder.encode_many`; those of like length together."""
        return self._sorted([self._prompts[kind] + text for text in texts]).cpu()

    @torch.no_grad()
    def tables(self) -> tuple[Tensor, Tensor]:
        """As :meth:`TextEncoder.tables`; computed anew only where a weight has changed."""
        weights = fingerprint(self.encoder.state_dict())
        if self._tables is None or self._tables[0] != weights:
            self._tables = weights, (self._sorted(self._queries), self._sorted(self._documents))
        return self._tables[1]

    def _sorted(self, texts: list[str]) -> Tensor:
        """All texts, those of like length together, so that little is padded."""
        if not texts:
            return torch.empty(0, self.dim)
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
        parts = [order[start : start + self.block] for start in range(0, len(order), self.block)]
        vectors = torch.cat([self._encode([texts[index] for index in part]) for part in parts])
        return torch.empty_like(vectors).index_copy_(0, torch.tensor(order, device=vectors.device), vectors)

    def _distinct(self, texts: list[str], rows: Tensor) -> Tensor:
        """Embeddings ``(..., dim)`` of texts ``(...)``; each text is encoded once."""
        unique, inverse = torch.unique(rows, return_inverse=True)
        chosen = [texts[index] for index in unique.tolist()]
        if torch.is_grad_enabled() or len(chosen) <= self.block:
            return self._encode(chosen)[inverse]
        return self._sorted(chosen)[inverse]

    def _encode(self, texts: list[str]) -> Tensor:
        features = self.encoder.preprocess(texts)
        device = next(self.parameters()).device
        moved = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in features.items()}
        with torch.autocast(device.type, torch.bfloat16, enabled=self.half_precision):
            vectors = self.encoder(moved)["sentence_embedding"]
        return self.scaled(vectors.float())


def load_encoder(path: str) -> Any:
    """A Sentence Transformers model from a folder, a package or the local cache; nothing is downloaded.

    Raises:
        ConfigError: The package is missing, there is no such model, or it would run code of its own.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise ConfigError(MISSING)
    if not path:
        raise ConfigError("sentence_transformers needs a model; give its folder or package with --set model.path=...")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    folder = model_folder(path)
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as messages

    messages.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        if folder is None:
            raise FileNotFoundError
        return SentenceTransformer(str(folder), device="cpu", model_kwargs={"use_safetensors": True}, **UNTRUSTED)
    except Exception as error:
        reason = f" ({type(error).__name__}: {' '.join(str(error).split())[:120]})" if folder else ""
        raise ConfigError(
            f"no Sentence Transformers model is found under {path!r}{reason}; give a folder that holds one, "
            "an installed package, or a name that is in the local cache"
        ) from error


def model_folder(path: str) -> Path | None:
    """The folder of a model, once :func:`check_folder` has looked through it; None where there is none.

    Args:
        path: The folder itself, an installed package that holds one, or a name in the local cache.

    Raises:
        ConfigError: It would run code of its own.
    """
    folder = _folder(path)
    if folder is not None:
        check_folder(folder)
    return folder


def _folder(path: str) -> Path | None:
    if Path(path).is_dir() and any((Path(path) / mark).exists() for mark in (MARK, "config.json")):
        return Path(path)
    name = path.replace("-", "_")
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    for place in (found.submodule_search_locations or []) if found else []:
        for mark in sorted(Path(place).rglob(MARK)):
            return mark.parent
    return _cached(path)


def _cached(name: str) -> Path | None:
    """The folder of a model in the local cache; names without an owner are those of Sentence Transformers."""
    from huggingface_hub import snapshot_download

    for full in (name, f"sentence-transformers/{name}"):
        try:
            return Path(snapshot_download(full, local_files_only=True))
        except Exception as error:  # it raises errors of many kinds for a name that is none
            log.debug("%s is not in the local cache: %s", full, error)
    return None
