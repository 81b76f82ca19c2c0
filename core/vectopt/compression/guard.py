"""PURE. Whether two texts that look alike say the same.

Texts that are alike as measured may differ in the one word that matters: a number, a name, "not", "off". No list of such words
could be complete, so the guard asks the opposite: what may differ, and both still say the same? Letter case, punctuation,
white space, words that carry nothing, and where an adverbial stands. Whatever else differs makes another fact.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from ..scripts import UNSPACED
from .function_words import (
    ADVERBS,
    ASIDES,
    CLAUSES,
    ENGLISH,
    ENGLISH_ARTICLES,
    FILLERS,
    LEADS,
    NEGATIONS,
    PARENTHETIC,
    QUANTIFIERS_WITH_ARTICLE,
    SCOPES,
    WEIGHTS,
)

_STRAIGHT = {"'": "‘’ʼ`´", '"': "“”„«»「」『』", "-": "‐‑‒–—−", ".": "。｡…", ",": "、､،", " ": "・"}
_SAME = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # full-width forms of ASCII
_SAME |= {ord(other): ord(straight) for straight, others in _STRAIGHT.items() for other in others}
_PIECE = re.compile(
    rf"[{UNSPACED}]"  # a character of a script without spaces
    r"|\d+(?:[.,:]\d+)*"  # a number, a version, a time, with its points
    rf"|(?:(?![{UNSPACED}\d_])\w)+(?:'(?:(?![{UNSPACED}\d_])\w)+)?"  # a word
    rf"|(?:(?![{UNSPACED}])[^\w\s])+|_+"  # anything else, as it stands
)
_UNSPACED = re.compile(f"[{UNSPACED}]")
_SOFT = "\"'.,;:!?()[]{}¡¿"  # may stand around a word or not
_OPENING = _SOFT.replace("!", "").replace("?", "").replace(".", "")  # may stand before one: "!done" is not "done"
_SHORT = {"'re": "are", "'ve": "have", "'ll": "will", "'m": "am"}
_SMALL = 3  # letters; titles leave such words in lower case
_ACRONYM = 5  # letters; a longer word in capitals is emphasis
_SAME_FRAME = 0.5  # of their words together: texts that share so much are about the same, and differ where their words do
_FEW = 4  # words, of which each may be the one that matters
_ASIDES = re.compile(rf"(?:(?<=^)|(?<=[,.;:!?])\s*)(?:{'|'.join(ASIDES)})\s*[,!]", re.I)
_OF_MANNER_OR_MIND = PARENTHETIC | SCOPES | {"happily", "hopefully", "sadly"}  # "clearly he spoke", "he spoke clearly"
_FUNCTION_WORDS = SCOPES | NEGATIONS | LEADS | ADVERBS


@dataclass(frozen=True, slots=True)
class Statement:
    """What a text says, as far as its words tell.

    Attributes:
        words: those that carry something, in lower case, in order; in scripts without spaces the characters.
        forms: the same as they are written; None where the place decides, as at the begin of a sentence.
        cased: capitals are used as a language does: at the begin, not everywhere and not nowhere.
        breaks: the positions in `words` that punctuation stands before, the begin and the end.
        questions: how many marks there are.
        end: the last mark of a sentence, where the text ends in one.
    """

    words: tuple[str, ...]
    forms: tuple[str | None, ...]
    cased: bool
    breaks: frozenset[int]
    questions: int
    end: str

    def hard(self) -> list[str]:
        """Return the words that no rewording changes: numbers, symbols, names, negations."""
        return sorted(
            word
            for word, form in zip(self.words, self.forms, strict=True)
            if not word.isalpha() or word in NEGATIONS or (self.cased and form is not None and form != word)
        )


def straightened(text: str) -> str:
    """Return a text with one form of each quote, dash and mark, and without full-width letters."""
    return text.translate(_SAME)


def statement(text: str) -> Statement:
    """Return what a text says."""
    text = _ASIDES.sub(" ", straightened(text))
    reading = _Reading(text)
    for piece in _PIECE.finditer(text):
        reading.take(piece)
    return reading.statement()


class _Reading:
    """A text on its way to a statement."""

    def __init__(self, text: str) -> None:
        self.text = text
        long = [word for word in re.findall(r"[^\W\d_]+", text) if len(word) > _SMALL]
        self.titled = len(long) > 2 and all(word[0] != word[0].lower() for word in long)  # or all in capitals
        plain = set(re.findall(r"\w+(?:'\w+)?", text.lower()))
        negated = not plain.isdisjoint(NEGATIONS) or any(word.endswith("n't") for word in plain)
        self.fillers = FILLERS - (WEIGHTS if negated else frozenset()) - (ENGLISH_ARTICLES if plain.isdisjoint(ENGLISH) else frozenset())
        self.words: list[str] = []
        self.forms: list[str | None] = []
        self.breaks = {0}
        self.questions = 0
        self.end = ""
        self.opens = True
        self.last = ""  # word, dropped or not

    def take(self, piece: re.Match[str]) -> None:
        form, text = piece.group(), self.text
        if form[0].isalnum() or form[0] == "_" or _UNSPACED.match(form):
            self.end = ""
            self._word(form, text[piece.end() : piece.end() + 1])
            return
        before, after = text[piece.start() - 1 : piece.start()], text[piece.end() : piece.end() + 1]
        self._symbols(form, before, after, text[piece.end() : piece.end() + 3])

    def _word(self, form: str, after: str) -> None:
        low = form.lower()
        last, self.last = self.last, low
        if low == "course" and last == "of" and self.words[-1:] == ["of"]:
            self.words.pop()
            self.forms.pop()
            return
        if low in QUANTIFIERS_WITH_ARTICLE and last == "a":
            low = f"a {low}"
        elif low in PARENTHETIC and after in (",", "!") and len(self.words) in self.breaks:
            return
        elif low in self.fillers and not (form in ("A", "An") and not (self.opens or self.titled)):  # option A
            self.opens = False
            return
        if "'" in low:
            stem, _, tail = low.rpartition("'")
            if low.endswith("n't"):
                self._add({"ca": "can", "wo": "will", "sha": "shall"}.get(low[:-3], low[:-3]), None)
                low, form = "not", "not"
            elif f"'{tail}" in _SHORT:
                self._add(stem, None)
                low = form = _SHORT[f"'{tail}"]
        elif low == "cannot":
            self._add("can", None)
            low = form = "not"
        free = self.opens or (len(form) > _ACRONYM and form.isupper())
        self._add(low, None if free else form)

    def _add(self, word: str, form: str | None) -> None:
        self.words.append(word)
        self.forms.append(form)
        self.opens = False

    def _symbols(self, form: str, before: str, after: str, following: str) -> None:
        starts, ends = not before or before.isspace(), not after or after.isspace()
        beside = bool(_UNSPACED.match(before) or _UNSPACED.match(after))
        self.questions += form.count("?") if ends or beside else 0
        kept = form
        if ends or beside:
            kept = kept.rstrip(_SOFT)
            marks = [mark for mark in form[len(kept) :] if mark in ".!?:"]
            self.opens = self.opens or bool(marks)
            self.end = next((mark for mark in reversed(marks) if mark != ":"), self.end)
        if starts or beside:
            kept = kept.lstrip(_OPENING)
        if not starts and not ends:
            if not kept.strip(_SOFT.replace(".", "")) or (kept == "-" and before.isalpha() and after.isalpha()):
                kept = ""
        elif starts and ends and not kept.strip("-") and not following.lstrip()[:1].isdigit():
            kept = ""
        if kept != form:
            self.breaks.add(len(self.words))
        if kept:
            self.end = "" if kept == form else self.end
            self._add(kept, kept)

    def statement(self) -> Statement:
        self.breaks.add(len(self.words))
        words, forms = self.words, self.forms
        if not words:  # nothing but fillers: then they are what is said
            words = self.text.lower().split()
            forms = [None] * len(words)
        shouted = [form is not None and len(form) > 1 and form.isalpha() and form.isupper() for form in forms] + [False]
        for place in range(len(forms)):
            if shouted[place] and (shouted[place - 1] or shouted[place + 1] or words[place] in _FUNCTION_WORDS):
                forms[place] = None  # NOT, or SEVERAL WORDS: emphasis
        text = self.text
        begins = next((character for character in text if character.isalpha()), "")
        cased = text not in (text.lower(), text.upper()) and not self.titled and not begins.islower()
        return Statement(tuple(words), tuple(forms), cased, frozenset(self.breaks), self.questions, self.end)


def same_fact(first: Statement, second: Statement) -> bool:
    """Tell whether two texts that are alike may be taken for one.

    Those with the same words must have them in the same order, but for an adverbial, with the same capitals and as the same
    kind of sentence. Those that share most of their words are about the same thing and differ in what is said of it. Those
    that share few, and are alike by another measure, must be of some length and agree in every number, symbol, name and negation.
    """
    if not _same_kind(first, second):
        return False
    if first.words == second.words:
        return _same_capitals(first, second)
    if len(first.words) == len(second.words) and Counter(first.words) == Counter(second.words):
        return _same_capitals(first, second) and _adverbial_moved(first, second)
    one, two = set(first.words), set(second.words)
    if min(len(one), len(two)) < _FEW or len(one & two) >= _SAME_FRAME * len(one | two):
        return False
    return first.hard() == second.hard()


def _same_kind(first: Statement, second: Statement) -> bool:
    """Tell whether both ask, or both state; a question mark may be missing where no other mark is in its place."""
    if first.questions == second.questions:
        return True
    asks, other = (first, second) if first.questions > second.questions else (second, first)
    return asks.questions == other.questions + 1 and asks.end == "?" and not other.end


def _same_capitals(first: Statement, second: Statement) -> bool:
    """Tell whether words are written alike where both texts use capitals: "IT" is not "it", "Hope" is not "hope".

    A writer who leaves out several capitals and sets none has another style; one word's capitals are another word.
    """
    if not (first.cased and second.cased) or first.forms == second.forms:
        return True
    odd = [form for one, two in ((first, second), (second, first)) for form in _odd_forms(one, two)]
    capitals = {form.lower() for form in odd if form != form.lower()}
    one_way = any(all(form is None or form == word for word, form in zip(text.words, text.forms, strict=True)) for text in (first, second))
    return not odd or (one_way and len(capitals) > 1)


def _odd_forms(one: Statement, two: Statement) -> list[str]:
    """Return forms of words that the other text has otherwise."""
    odd = Counter(form for form in one.forms if form is not None)
    odd.subtract(form for form in two.forms if form is not None)
    free = Counter(word for word, form in zip(two.words, two.forms, strict=True) if form is None)
    return [form for form, count in odd.items() if count > free[form.lower()]]


def _adverbial_moved(first: Statement, second: Statement) -> bool:
    """Tell whether the texts' words are in the same order, but for one adverbial that stands elsewhere."""
    a, b = first.words, second.words
    start, end = 0, len(a)
    while a[start] == b[start]:
        start += 1
    while a[end - 1] == b[end - 1]:
        end -= 1
    for here, there in ((first, second), (second, first)):
        # The block that is first here is last there.
        for cut in range(start + 1, end):
            block = here.words[start:cut]
            if there.words[end - len(block) : end] != block or there.words[start : end - len(block)] != here.words[cut:end]:
                continue
            places = (here, start, cut), (there, end - len(block), end)
            rest = (here, cut, end), (there, start, end - len(block))
            if any(_is_adverbial(*several) for several in (places, rest)):
                return True
    return False


def _is_adverbial(*places: tuple[Statement, int, int]) -> bool:
    """Tell whether a block of words is an adverbial, from where it stands in the two texts."""
    at, start, end = places[0]
    block = at.words[start:end]
    if not any(begin == 0 or finish == len(text.words) for text, begin, finish in places):
        return False
    if any(begin and text.words[begin - 1] in SCOPES for text, begin, _ in places):
        return False
    if not CLAUSES.isdisjoint((*at.words[:start], *block[1:], *at.words[end:])):
        return False
    if len(block) == 1:
        word = block[0]
        return word in ADVERBS or (len(word) > 4 and word.endswith("ly") and word not in _OF_MANNER_OR_MIND)
    if _UNSPACED.match(block[0]):
        return any(begin in text.breaks and finish in text.breaks for text, begin, finish in places)
    return block[0] in LEADS or block[0] in ("every", "each", "all") or block[-1] == "ago"
