"""Text of any size: number its words once, keep the numbers on disk."""

from negatives.data.corpus.encode import encode
from negatives.data.corpus.encoded import Corpus
from negatives.data.corpus.phrases import join_phrases

__all__ = ["Corpus", "encode", "join_phrases"]
