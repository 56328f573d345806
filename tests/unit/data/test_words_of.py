"""What a word is, in every script."""

from __future__ import annotations

import random
import re
import unicodedata
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest

from negatives.data.bags import bags, vocabulary
from negatives.data.loading.language import load_text
from negatives.data.loading.text import Text, sentences
from negatives.data.text import TextSplit
from negatives.data.tokens import LONGEST, bags_of, learn_tokenizer
from negatives.data.words import PLAIN_WORD, _word, words_of

WORDS = {
    "hindi": ("आधुनिक मानक हिन्दी, भारत", ["आधुनिक", "मानक", "हिन्दी", "भारत"]),
    "bengali": ("তুমি কেমন আছ?", ["তুমি", "কেমন", "আছ"]),
    "tamil": ("தமிழ் மொழி", ["தமிழ்", "மொழி"]),
    "malayalam": ("അവന്\u200d വന്നു", ["അവന്\u200d", "വന്നു"]),
    "arabic": ("كَتَبَ الوَلَدُ، نعم", ["كَتَبَ", "الوَلَدُ", "نعم"]),
    "persian": ("می\u200cخواهم بروم", ["می\u200cخواهم", "بروم"]),
    "hebrew": ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
    "german": ("Größe, Übermut", ["größe", "übermut"]),
    "turkish": ("İstanbul", ["i̇stanbul"]),
    "russian": ("Ёлка, йод", ["ёлка", "йод"]),
    "korean": ("한국어 텍스트", ["한국어", "텍스트"]),
    "chinese": ("今天天气很好。", ["今", "天", "天", "气", "很", "好"]),
    "japanese": ("東京タワーに行く", ["東", "京", "タワー", "に", "行", "く"]),
    "voiced": ("がぎ", ["が", "ぎ"]),
    "thai": ("ที่นี่ดี", ["ที่", "นี่", "ดี"]),
    "thai vowels": ("เก่า แม่น้ำ", ["เก่า", "แม่", "น้ำ"]),
    "lao": ("ສະບາຍດີ", ["ສະ", "ບາ", "ຍ", "ດີ"]),
    "khmer": ("ខ្មែរ", ["ខ្មែ", "រ"]),
    "burmese": ("မန္တလေး", ["မ", "န္တ", "လေး"]),
    "digits": ("๑๒๓ x² ½", ["๑๒๓", "x²", "½"]),
    "mixed": ("iPhone手机2020年", ["iphone", "手", "机", "2020", "年"]),
    "apostrophes": ("l’été rock'n'roll 'quoted'", ["l’été", "rock'n'roll", "quoted"]),
    "soft hyphen": ("Donau\u00addampf", ["donaudampf"]),
    "emoji": ("1️⃣ 👩‍🔬 ok", ["1", "ok"]),
    "ascii": ("Don't panic: x_1 = 42.", ["don't", "panic", "x_1", "42"]),
}


@pytest.mark.parametrize("script", WORDS)
def test_words_of_a_script(script: str) -> None:
    text, expected = WORDS[script]
    expected = [unicodedata.normalize("NFC", word) for word in expected]
    assert words_of(text) == expected
    assert words_of(unicodedata.normalize("NFD", text)) == expected


def test_the_three_patterns_agree() -> None:
    """Texts of plain scripts take shorter patterns; what they find is what the long one finds."""
    letters = [chr(at) for at in (*range(0x20, 0x300), *range(0x370, 0x483), *range(0x531, 0x557), 0x2019, 0x200C)]
    draw = random.Random(0)
    for _ in range(500):
        text = "".join(draw.choices([*letters, *"''  ab"], k=30))
        cut = unicodedata.normalize("NFC", text.lower()).replace("\u00ad", "")
        assert words_of(text) == _word().findall(cut), repr(text)
        if cut.isascii():
            assert words_of(text) == PLAIN_WORD.findall(cut)


def test_every_letter_is_in_a_word_and_no_mark_is_alone() -> None:
    for at in range(0x20000):
        letter = unicodedata.normalize("NFC", chr(at).lower())
        if len(letter) == 1 and re.match(r"\w", letter):
            assert words_of(letter) == [letter], hex(at)
        elif len(letter) == 1:
            assert words_of(letter) == [], hex(at)


def test_one_definition_for_bags_words_and_language(tmp_path: Path) -> None:
    text, expected = WORDS["hindi"]
    path = tmp_path / "a.txt"
    path.write_text((text + ".\n" + unicodedata.normalize("NFD", text) + ".\n") * 30, encoding="utf-8")
    assert list(sentences(Text(path)))[:2] == [expected] * 2
    assert set(expected) < set(load_text(path, TextSplit()).words)
    assert set(vocabulary([text, text])) == set(expected)
    assert bags(pl.Series([text]), expected).values.tolist() == [1.0] * 4


def test_blanks_cut_composed_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(unicodedata.normalize("NFD", "größe über") + "\ngröße über\n", encoding="utf-8")
    assert list(sentences(Text(path, "blank"))) == [["größe", "über"]] * 2


def test_pieces_keep_vowel_signs_and_drop_accents() -> None:
    texts = [text for text, _ in WORDS.values()] * 3
    tokenizer = learn_tokenizer(texts, 500)
    seen = tokenizer.normalizer.normalize_str
    assert seen("हिन्दी ที่ তুমি") == "हिन्दी ที่ তুমি"
    assert seen(unicodedata.normalize("NFD", "한국어 がぎ")) == "한국어 がぎ"
    assert seen("Größe café Ёлка İstanbul") == "große cafe елка istanbul"
    assert seen("كَتَبَ שָׁלוֹם") == "كتب שלום"
    told = bags_of(["दिन", "दीन", "दान"], learn_tokenizer(["दिन दीन दान"] * 9, 60))
    assert len({tuple(told.indices[a:b].tolist()) for a, b in pairwise(told.indptr.tolist())}) == 3


def test_a_long_word_is_cut_into_pieces() -> None:
    """Learning from one word of n letters took time that grows faster than n squared."""
    tokenizer = learn_tokenizer(["ab" * 2_000, "plain words"], 300)
    assert max(map(len, tokenizer.get_vocab())) <= LONGEST + 1
    cut = [piece for piece, _ in tokenizer.pre_tokenizer.pre_tokenize_str("x" * (2 * LONGEST + 1))]
    assert [len(piece) for piece in cut] == [LONGEST + 1, LONGEST + 1, 2]
