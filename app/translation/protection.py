"""What no translator may touch: taken out before, put back after.

Translators see a mark, `⟦0⟧`, in its place. Brackets of people who write such marks themselves are taken out too, so
that none is mistaken. Every pattern is linear in the length of the text.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache

MARK = re.compile(r"⟦\s*(\d{1,5})\s*⟧")
MAX_NAMES = 500
MAX_NAME_CHARACTERS = 100

# A word's character where spaces separate words. Chinese and Japanese do without: there a name ends where it ends.
_W = r"[^\W\u2e80-\U0010ffff]"
_NOT_IN_URL = r"\s<>\"⟦⟧\u2e80-\U0010ffff"
_NUMBER = r"\d+(?:[.,]\d+){0,8}"
_UNITS = (
    r"[mcdk]?m[²³23]?|[kmµ]?g|t|lbs?|oz|[mcdh]?[lL]|km/h|mph|m?s|sec|min|h|hrs?|k?Wh|[kM]W|k?Hz|[kMGT]B|"
    r"%|‰|°[CF]?|bar|EUR|USD|GBP|PLN|CHF|BRL|CNY|RMB|JPY|zł|[€$£¥]"
)
_ORDINAL = rf"\d+(?:st|nd|rd|th|er|re|e|ème|º|ª)(?!{_W})"

_CODE = r"```[\s\S]*?```|`[^`\n]+`"
_URL = rf"(?<!{_W})(?:https?://|www\.)[^{_NOT_IN_URL}]*[^{_NOT_IN_URL}.,;:!?)\]}}'…]"
_EMAIL = r"(?<![A-Za-z0-9_.%+-])[A-Za-z0-9][A-Za-z0-9_.%+-]{0,63}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+"
_MENTION = rf"(?<!{_W})@(?:{_W}(?:[.-]?{_W}){{0,63}}|\w{{1,64}})"
_HASHTAG = rf"(?<!{_W})#{_W}(?:[-/]?{_W}){{0,63}}"
_MONEY = rf"[€$£¥]\s?{_NUMBER}(?!{_W})"
_MEASURE = rf"(?<!{_W})[+-]?{_NUMBER}\s?(?:{_UNITS})(?!{_W})"
# A digit beside a letter, or digits joined by signs: A-1023, MSKU1234567, 2026/17, 14:30, 1,000. Not 3rd.
_ID = (
    rf"(?<!{_W})(?!{_ORDINAL})(?=[A-Za-z_/.:#-]{{0,40}}\d)(?=\d{{0,40}}[A-Za-z]|\d{{1,40}}[-_/.:,]\d)"
    rf"[A-Za-z0-9]{{1,64}}(?:[-_/.:,#][A-Za-z0-9]{{1,64}}){{0,8}}(?!{_W})"
)
_LONG_NUMBER = rf"(?<!{_W})\+?\d{{4,}}(?!{_W})"
_BRACKET = "[⟦⟧]"
_OUR_MARK = r"⟦\d+⟧"


@dataclass(frozen=True)
class Protected:
    """`text` with marks, and what they stand for."""

    text: str
    kept: tuple[str, ...]

    def restored(self, translation: str) -> str | None:
        """With everything back in its place, in whatever order; `None` where a mark was lost, spoilt or invented."""
        found = {int(number) for number in MARK.findall(translation)}
        rest = MARK.sub("", translation)
        if found != set(range(len(self.kept))) or "⟦" in rest or "⟧" in rest:
            return None
        return MARK.sub(lambda mark: self.kept[int(mark[1])], translation)


def protect(text: str, keep: Collection[str] = ()) -> Protected:
    """`keep` are further words to leave alone, compared with case; the first `MAX_NAMES` count."""
    kept: list[str] = []

    def take_out(found: re.Match[str]) -> str:
        kept.append(found[0])
        return f"⟦{len(kept) - 1}⟧"

    def take_out_unless_mark(found: re.Match[str]) -> str:
        return found[0] if found[0].startswith("⟦") else take_out(found)

    names = [name for name in map(str.strip, keep) if 0 < len(name) <= MAX_NAME_CHARACTERS]
    text = _addresses().sub(take_out, text)
    text = _names(frozenset(names[:MAX_NAMES])).sub(take_out_unless_mark, text)
    return Protected(_numbers().sub(take_out_unless_mark, text), tuple(kept))


def is_wordless(text: str) -> bool:
    """Whether only marks, digits, signs and pictures are in it."""
    return not any(character.isalpha() for character in MARK.sub("", text))


# Patterns are compiled when they are first needed: it takes some 20 ms.
@cache
def _addresses() -> re.Pattern[str]:
    return re.compile("|".join((_CODE, _URL, _EMAIL, _MENTION, _HASHTAG, _BRACKET)))


@cache
def _numbers() -> re.Pattern[str]:
    return re.compile("|".join((_OUR_MARK, _MONEY, _MEASURE, _ID, _LONG_NUMBER)))


@lru_cache(maxsize=64)
def _names(names: frozenset[str]) -> re.Pattern[str]:
    whole: list[str] = []
    parts: list[str] = []
    for name in sorted(names, key=len, reverse=True):
        is_whole = re.match(_W, name[0]) and re.match(_W, name[-1])
        (whole if is_whole else parts).append(re.escape(name))
    words = (rf"(?<!{_W})(?:{'|'.join(whole)})(?!{_W})",) if whole else ()
    return re.compile("|".join((_OUR_MARK, *words, *parts)))
