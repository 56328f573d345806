"""Text of any size: read it sentence by sentence, number its words once, keep the numbers on disk."""

from negatives.data.corpus.encode import encode
from negatives.data.corpus.encoded import Corpus
from negatives.data.corpus.phrases import join_phrases
from negatives.data.corpus.reader import Text, sentences

__all__ = ["Corpus", "Text", "encode", "join_phrases", "sentences"]
