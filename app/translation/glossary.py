"""Phrases of chat and logistics in eight languages: works at once, for everybody, without a service.

A text is taken sentence by sentence. What the glossary does not know stays as it is, and the translation says so.
"""

import asyncio
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from app.translation.backend import original
from app.translation.languages import NAMES, WITHOUT_SPACES
from app.translation.protection import is_wordless
from app.upstream.translation import Note, Translation

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "pl", "zh")
MAX_CLAUSES = 8

_SLOT = re.compile(r"\{\d\}|⟦\s*\d+\s*⟧|\d+(?:[.,]\d+)*")
_SENTENCE = re.compile(r"([^.!?…。！？\n]*)([.!?…。！？]*)(\s*)")
_NO_DECOMPOSITION = str.maketrans({"ł": "l", "’": "'", "ʼ": "'", "`": "'", "´": "'"})


@dataclass(frozen=True)
class Spelling:
    """How a phrase is written: small letters, slots such as `{1}`, no final punctuation."""

    text: str
    is_question: bool

    @classmethod
    def parse(cls, written: str) -> "Spelling":
        bare = written.strip().lstrip("=").strip("¿¡ \u00a0")
        return cls(bare.rstrip("?？ \u00a0"), bare.endswith(("?", "？")))


Phrase = Mapping[str, Spelling]
"""The spelling that is written, by language."""


@dataclass(frozen=True)
class Entry:
    """What a key leads to; `slots` are the numbers of its slots, in the order of this spelling."""

    phrase: Phrase
    slots: tuple[str, ...]


Clauses = list[tuple[str, Entry | None]]
"""A sentence as known phrases; a name or a number alone has no entry. Empty where it is not known."""


class Phrases:
    """The whole glossary in memory."""

    def __init__(self, topics: Mapping[str, Sequence[Mapping[str, str]]]) -> None:
        self._entries: dict[str, dict[str, Entry]] = {language: {} for language in LANGUAGES}
        for one in (one for topic in topics.values() for one in topic):
            spellings = {language: one[language].split("|") for language in LANGUAGES}
            phrase = {language: Spelling.parse(found[0]) for language, found in spellings.items()}
            for language, found in spellings.items():
                for written in found:
                    if not written.strip().startswith("="):
                        self._add(language, Spelling.parse(written), phrase)

    def _add(self, language: str, spelling: Spelling, phrase: Phrase) -> None:
        known = self._entries[language]
        found = key(spelling.text)
        if found in known:
            raise ValueError(f"{spelling.text!r} occurs twice in {language}")
        known[found] = Entry(phrase, tuple(_SLOT.findall(spelling.text)))

    def find(self, language: str, text: str) -> Entry | None:
        entry = self._entries[language].get(key(text))
        return entry if entry is not None and len(entry.slots) == len(_SLOT.findall(text)) else None

    def languages_of(self, text: str) -> list[str]:
        """Those that have each sentence of `text`, or none."""
        sentences = [one for one in _sentences(text) if not is_wordless(one.core)]
        return [
            language
            for language in LANGUAGES
            if sentences and all(self.clauses(language, one.core) for one in sentences)
        ]

    def clauses(self, language: str, sentence: str) -> Clauses:
        """The whole sentence, or the longest phrases between its commas."""
        if (whole := self.find(language, sentence)) is not None:
            return [(sentence, whole)]
        parts = [part.strip() for part in re.split("[,，、]", sentence)]
        if not 1 < len(parts) <= MAX_CLAUSES:
            return []
        found: Clauses = []
        start = 0
        while start < len(parts):
            for end in range(len(parts), start, -1):
                text = ", ".join(parts[start:end])
                entry = self.find(language, text)
                if entry is not None or (end == start + 1 and is_wordless(text)):
                    found.append((text, entry))
                    start = end
                    break
            else:
                return []
        return found


@cache
def phrases() -> Phrases:
    """Reads the file: some 20 ms, once."""
    text = resources.files("app.translation").joinpath("glossary.toml").read_text(encoding="utf-8")
    return Phrases(tomllib.loads(text))


async def loaded_phrases() -> Phrases:
    return phrases() if phrases.cache_info().currsize else await asyncio.to_thread(phrases)


def key(text: str) -> str:
    """What two spellings of a phrase have in common: no case, accents, punctuation or values of slots."""
    text = _SLOT.sub(" {} ", unicodedata.normalize("NFKC", text))
    text = unicodedata.normalize("NFKD", text.casefold().translate(_NO_DECOMPOSITION))
    kept = (" " if one in ",;:，、；：" else one for one in text if not unicodedata.combining(one))
    words = "".join(kept).strip(" ¿¡?!.…。！？\"'()").split()
    return " ".join(words)


@dataclass(frozen=True)
class Sentence:
    """A part of a text: `core` from its first letter or digit to its last, and what is around that."""

    lead: str
    core: str
    trail: str
    end: str
    space: str


def _sentences(text: str) -> Iterator[Sentence]:
    for found in _SENTENCE.finditer(text):
        if not found[0]:
            continue
        core, end, space = found.groups()
        if not end:
            space = core[len(core.rstrip()) :] + space
        at = [index for index, one in enumerate(core) if one.isalnum() or one in "⟦⟧"]
        first, last = (at[0], at[-1] + 1) if at else (0, 0)
        yield Sentence(core[:first].strip("¿¡"), core[first:last], core[last:].rstrip(), end, space)


class Glossary:
    """A `Backend`. Waits for nothing but, once, its file."""

    name = "glossary"

    def __init__(self) -> None:
        self.languages: Mapping[str, str] = {language: NAMES[language] for language in LANGUAGES}

    async def open(self) -> None: ...

    async def close(self) -> None: ...

    async def translate(self, text: str, source: str | None, to: Sequence[str]) -> Mapping[str, Translation]:
        known = await loaded_phrases()
        if source is None:
            source = next(iter(known.languages_of(text)), None)
        if source is None or source not in self.languages:
            return {one: original(text, source, Note.UNKNOWN_LANGUAGE) for one in to}
        read = [(one, known.clauses(source, one.core)) for one in _sentences(text)]
        return {one: self._translation(text, read, source, one) for one in to}

    def _translation(self, text: str, read: Sequence[tuple[Sentence, Clauses]], source: str, to: str) -> Translation:
        if source == to or to not in self.languages:
            return original(text, source, Note.SAME_LANGUAGE if source == to else Note.UNKNOWN_LANGUAGE)
        if not any(clauses for _, clauses in read):
            return original(text, source, Note.UNKNOWN_PHRASE)
        written = "".join(_written(sentence, clauses, source, to) for sentence, clauses in read)
        is_whole = all(clauses or is_wordless(sentence.core) for sentence, clauses in read)
        note = Note.NONE if is_whole else Note.PARTLY_UNKNOWN
        return Translation(written.rstrip() + _tail(text), to, is_translated=True, note=note)


def _written(sentence: Sentence, clauses: Clauses, source: str, to: str) -> str:
    if not clauses:
        return sentence.lead + sentence.core + sentence.trail + sentence.end + sentence.space
    parts = [_clause(text, entry, to) for text, entry in clauses]
    is_question = any(entry is not None and entry.phrase[to].is_question for _, entry in clauses)
    end = _end(sentence.end, is_question=is_question, to=to)
    if source in WITHOUT_SPACES or sentence.core[:1].isupper():
        parts[0] = parts[0][:1].upper() + parts[0][1:]
    if to == "es":
        for index, (_, entry) in enumerate(clauses):
            if entry is not None and entry.phrase[to].is_question:
                parts[index] = "¿" + parts[index]
        if not is_question:
            parts[0] = ("¿" if "?" in end else "¡" if "!" in end else "") + parts[0]
    if to in WITHOUT_SPACES:
        space = sentence.space.strip(" ")
    else:
        space = sentence.space or (" " if source in WITHOUT_SPACES else "")
    return sentence.lead + ("，" if to == "zh" else ", ").join(parts) + sentence.trail + end + space


def _clause(text: str, entry: Entry | None, to: str) -> str:
    if entry is None:
        return text
    values = dict(zip(entry.slots, _SLOT.findall(text), strict=True))
    return _SLOT.sub(lambda slot: values[slot[0]], entry.phrase[to].text)


_FULL_WIDTH = str.maketrans(".!?", "。！？")
_HALF_WIDTH = str.maketrans("。！？", ".!?")


def _end(written: str, *, is_question: bool, to: str) -> str:
    """The punctuation after a sentence, as the target's readers are used to it."""
    end = written.translate(_HALF_WIDTH)
    if is_question and "?" not in end:
        end = "?" + end.replace(".", "")
    if to in WITHOUT_SPACES:
        return end if end == "..." else end.translate(_FULL_WIDTH)
    return "\u00a0" + end if to == "fr" and end[:1] in ("!", "?") else end


def _tail(text: str) -> str:
    return text[len(text.rstrip()) :]
