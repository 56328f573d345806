"""Texts as bags of token ids, and the tokenizer that is learnt from a corpus."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from negatives.data.pairs import SparseFeatures
from negatives.errors import ConfigError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

UNKNOWN = "[UNK]"
WORD = "▁"
"""The mark in front of the first piece of a word."""
LONGEST = 100
"""Letters of a word that are looked at together; learning a longer piece takes time that grows with its square."""
ACCENTS = (
    "[\u0300-\u036f\u0483-\u0487\u1ab0-\u1aff\u1dc0-\u1dff\ufe20-\ufe2f"  # Latin, Greek, Cyrillic
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"  # Hebrew points
    "\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed]"  # Arabic
)
"""Marks that writers leave out or add at will; those of other scripts are vowels, without which words fall together."""
SATURATION = 0.9, 0.4
"""``k`` and ``b`` of :func:`saturated` in BEIR's runs of BM25."""
MISSING = "text needs the package tokenizers; run: pip install 'negatives[text]'"


def saturated(
    bags: SparseFeatures, k: float = SATURATION[0], b: float = SATURATION[1], mean: float | None = None
) -> SparseFeatures:
    """BM25's weights: ``(k + 1) n / (n + k (1 - b + b L / mean L))`` for a count ``n`` in a text of length ``L``.

    Source: Robertson et al., 1994, "Okapi at TREC-3".
    """
    lengths = lengths_of(bags)
    mean = float(lengths.mean()) if mean is None else mean
    damping = k * (1 - b + b * lengths / max(mean, 1e-9))
    return replace(bags, values=bags.values * (k + 1) / (bags.values + damping[bags.owners]))


def lengths_of(bags: SparseFeatures) -> Tensor:
    """``(n,)`` how many tokens each text has."""
    found: Tensor = torch.zeros(bags.n_rows).index_add_(0, bags.owners, bags.values)
    return found


def learn_tokenizer(texts: Iterable[str], size: int = 8000) -> Tokenizer:
    """A byte-pair tokenizer of at most ``size`` pieces, without case and accents; the same for the same texts.

    Accents are those of Latin, Greek and Cyrillic letters, Hebrew points and Arabic vowel marks. Words of more than
    :data:`LONGEST` letters are cut.

    Source: Sennrich et al., 2016, "Neural machine translation of rare words with subword units".

    Raises:
        ConfigError: The package is not installed.
    """
    if importlib.util.find_spec("tokenizers") is None:
        raise ConfigError(MISSING)
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN))
    clean, accents = normalizers.BertNormalizer(strip_accents=False, lowercase=False), Regex(ACCENTS)
    plain = [clean, normalizers.NFD(), normalizers.Replace(accents, ""), normalizers.Lowercase(), normalizers.NFC()]
    tokenizer.normalizer = normalizers.Sequence(plain)
    # A mark in front of each word, and not a prefix of inner pieces, whose numbering would follow a random hash.
    words, mark = pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Metaspace(prepend_scheme="always")
    short = pre_tokenizers.Split(Regex(f".{{{LONGEST}}}"), "isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, short, mark])
    trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=[UNKNOWN], show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def bags_of(texts: Sequence[str], tokenizer: Tokenizer) -> SparseFeatures:
    """The tokens of texts as their features, int64 ids; they count as often as they stand."""
    encoded = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    sizes = np.array([len(one) for one in encoded], dtype=np.int64)
    n_tokens = tokenizer.get_vocab_size()
    tokens = np.concatenate([np.empty(0, np.int64), *(np.asarray(one.ids, np.int64) for one in encoded)])
    codes, counts = np.unique(np.repeat(np.arange(len(sizes)), sizes) * n_tokens + tokens, return_counts=True)
    indptr = np.searchsorted(codes, np.arange(len(sizes) + 1) * n_tokens)
    return SparseFeatures(
        torch.from_numpy(indptr.astype(np.int64)),
        torch.from_numpy(codes % n_tokens),
        torch.from_numpy(counts.astype(np.float32)),
        n_tokens,
    )
