"""What a word of running text is: one definition for every task.

A word is a run of letters and digits with the marks that belong to them (vowel signs, accents that stand alone), in
lower case and in Unicode's composed form, so that ``é`` is one letter however it was typed. An apostrophe or a
zero-width non-joiner between two runs joins them. Scripts that put no blank between words are cut as the default word
boundaries of Unicode cut them: each Han and Hiragana character is a word, and so is a run of Katakana. Thai, Lao, Khmer
and Burmese, whose words only a dictionary tells, are cut into syllable signs: a letter with its marks.

Source: Unicode Standard Annex 29, "Unicode text segmentation", section 4.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from itertools import groupby

ASCII_WORD = re.compile(r"\w+(?:'\w+)*", re.ASCII)
PLAIN_WORD = re.compile("\\w+(?:['’\u200c]\\w+)*")
INTRICATE = re.compile("[^\\x00-\u02ff\u0370-\u0482\u048a-\u0590\u1e00-\u200c\u200e-\u20cf\u2100-\u2bff\uac00-\ud7ff]")
"""What is neither Latin, Greek, Cyrillic, Armenian, Hangul nor a sign: scripts with marks, or without blanks."""
HAN = "\u3005\u3007\u3021-\u3029\u3038-\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
HIRAGANA = "\u3041-\u3096\u309d-\u309f\U0001b001-\U0001b11f\U0001b150-\U0001b152"
KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9f\U0001b000\U0001b164-\U0001b167"
SYLLABIC = (
    "\u0e01-\u0e4e\u0e80-\u0ecf\u0edc-\u0eff"  # Thai, Lao
    "\u1000-\u103f\u104a-\u108f\u109a-\u109f\ua9e0-\ua9ef\ua9fa-\ua9ff\uaa60-\uaa7f"  # Burmese
    "\u1780-\u17df\u1950-\u19cf\u1a20-\u1a7f\uaa80-\uaadf"  # Khmer, Tai scripts
)
"""Letters and marks of the scripts that only a dictionary can cut; their digits are digits."""
LEADING = "\u0e40-\u0e44\u0ec0-\u0ec4"
"""Thai and Lao vowels that are written before their consonant."""
FOLLOWING = "\u0e30\u0e32\u0e33\u0e45\u0eb0\u0eb2\u0eb3"
"""Those behind it that are letters by name."""
STACKING = "\u1039\u17d2"
"""Signs that put the next consonant below."""
UNSPACED = re.compile(f"[{HAN}{HIRAGANA}{KATAKANA}{SYLLABIC}]")
DICTIONARY = re.compile(f"[{SYLLABIC}]")
JOINER, SOFT_HYPHEN = "\u200d", "\u00ad"
LAST_MARK = 0x1F000
"""Behind all combining marks but the variation selectors, which change no letter."""


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case.

    >>> words_of("Don't panic, it's 42.")
    ["don't", 'panic', "it's", '42']
    >>> words_of("आधुनिक हिन्दी 東京タワーに")
    ['आधुनिक', 'हिन्दी', '東', '京', 'タワー', 'に']
    """
    text = text.lower()
    if text.isascii():
        return ASCII_WORD.findall(text)
    text = composed(text).replace(SOFT_HYPHEN, "")
    return (_word() if INTRICATE.search(text) else PLAIN_WORD).findall(text)


def composed(text: str) -> str:
    """The text in Unicode's normal form C, in which equal words are equal strings.

    >>> composed("u\\u0308ber") == "über"
    True
    """
    return unicodedata.normalize("NFC", text)


@cache
def _word() -> re.Pattern[str]:
    """The pattern of a word of any script; made when the first text asks for it."""
    mark, letter = f"[{_marks()}]", f"[^\\W{HAN}{HIRAGANA}{KATAKANA}{SYLLABIC}]"
    run = f"{letter}+(?:{mark}+{letter}*)*"
    syllable = f"[{LEADING}]?[{SYLLABIC}](?:[{FOLLOWING}]|{mark}|(?<=[{STACKING}])[{SYLLABIC}])*"
    alone = f"[{HAN}{HIRAGANA}]{mark}*|[{KATAKANA}](?:[{KATAKANA}]|{mark})*|{syllable}"
    return re.compile(f"{run}(?:['’\u200c]{run})*|(?=\\w)(?:{alone})")


def _marks() -> str:
    """Combining marks and the zero-width joiner, as ranges of a character class."""
    found = (at for at in range(0x300, LAST_MARK) if unicodedata.category(chr(at)) in ("Mn", "Mc"))
    return _ranges(at for at in found if not 0xFE00 <= at <= 0xFE0F) + JOINER


def _ranges(points: Iterable[int]) -> str:
    """Code points in rising order as ranges.

    >>> _ranges([65, 66, 67, 97])
    'A-Ca-a'
    """
    found = []
    for _, run in groupby(enumerate(points), lambda pair: pair[1] - pair[0]):
        places = [point for _, point in run]
        found.append(f"{chr(places[0])}-{chr(places[-1])}")
    return "".join(found)


TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
CUTS: dict[str, Callable[[str], list[str]]] = {
    "blank": str.split,
    "words": words_of,
    "marks": lambda text: TOKEN.findall(text.lower()),
}
"""How a text is cut into words: at blanks, into runs of letters and digits, or into lower-case words and marks."""


def cut(text: str, tokens: str) -> list[str]:
    """The words of a text as a run has learnt them.

    Args:
        text: In any of Unicode's forms.
        tokens: A row of :data:`CUTS`.

    >>> cut("Don't. Go", "marks"), cut("Don't. Go", "words")
    (["don't", '.', 'go'], ["don't", 'go'])
    """
    return CUTS[tokens](composed(text))
