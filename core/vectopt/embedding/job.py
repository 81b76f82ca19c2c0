"""The texts of one call: what of them has to be sent, and their vectors out of what came back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from .packing import beginning, packed, pieces
from .sending import Parcel

MOST_TOKENS_A_TEXT = 8192

Vector = NDArray[np.float32]


class Job:
    """Texts as inputs of requests: an input is a text, its beginning, or a part of it. Each is known by its digest, and goes once.

    Attributes:
        refused: texts that can't be embedded, by place, and why.
        notes: what is to be said of texts that were not embedded as they are, by place.
    """

    def __init__(self, texts: Sequence[str], count: Callable[[str], int], long_texts: str) -> None:
        self.refused: dict[int, str] = {}
        self.notes: dict[int, str] = {}
        self._count = count
        self._long = long_texts
        self._of: list[list[bytes]] = []  # the digests of each text's inputs
        self._inputs: dict[bytes, str] = {}
        self._bytes: dict[bytes, int] = {}
        self._unfit: dict[bytes, str] = {}
        for place, text in enumerate(texts):
            self._of.append(self._take(place, text))

    def _take(self, place: int, text: str) -> list[bytes]:
        try:
            data = text.encode()
        except UnicodeEncodeError:
            self.refused[place] = "the text has half a surrogate pair, which is no character"
            return []
        if len(data) > MOST_TOKENS_A_TEXT and (tokens := self._count(text)) > MOST_TOKENS_A_TEXT:
            return self._take_long(place, text, tokens)
        return [self._add(text, data)] if text and not text.isspace() else []

    def _take_long(self, place: int, text: str, tokens: int) -> list[bytes]:
        if self._long == "refuse":
            self.refused[place] = f"the text has {tokens:,} tokens; the model takes {MOST_TOKENS_A_TEXT:,}"
            return []
        if self._long == "truncate":
            parts = [beginning(text, self._count, MOST_TOKENS_A_TEXT)]
            self.notes[place] = f"by its first {MOST_TOKENS_A_TEXT:,} tokens of {tokens:,}"
        else:
            parts = pieces(text, self._count, MOST_TOKENS_A_TEXT)
            self.notes[place] = f"by the mean of {len(parts)} parts"
        return [self._add(part, part.encode()) for part in parts if part and not part.isspace()]

    def _add(self, text: str, data: bytes) -> bytes:
        digest = blake2b(data, digest_size=16).digest()
        self._inputs[digest] = text
        self._bytes[digest] = len(data)
        return digest

    @property
    def digests(self) -> list[bytes]:
        """The distinct inputs."""
        return list(self._inputs)

    def parcels(self, known: Mapping[bytes, Vector], most_texts: int, most_tokens: int, *, exact: bool) -> list[tuple[list[bytes], Parcel]]:
        """Return what has to be sent, as the digests and the parcel of each request.

        Args:
            known: what is known already.
            most_texts: of a request.
            most_tokens: of a request.
            exact: count tokens in any case. Else they are counted only where they make a difference: bytes, that no count exceeds,
                may show that texts alone decide how many requests it takes.
        """
        wanted = [digest for digest in self._inputs if digest not in known]
        sizes = [self._bytes[digest] for digest in wanted]
        parts = packed(sizes, most_texts, most_tokens)
        tokens = [size // 4 + 1 for size in sizes]
        if exact or len(parts) > -(-len(wanted) // most_texts):
            tokens = [self._count(self._inputs[digest]) for digest in wanted]
            parts = packed(tokens, most_texts, most_tokens)
        return [(wanted[part], Parcel([self._inputs[digest] for digest in wanted[part]], tokens[part])) for part in parts]

    def refuse(self, digest: bytes, why: str) -> None:
        """Take note that an input was refused."""
        self._unfit[digest] = why

    def vectors(self, known: Mapping[bytes, Vector], dimensions: int | None) -> Vector:
        """Return the texts' vectors, shape (number of texts, dimensions); zeros for those that are blank or refused."""
        if self._unfit:
            for place, digests in enumerate(self._of):
                why = next((self._unfit[digest] for digest in digests if digest in self._unfit), None)
                if why is not None:
                    self.refused[place] = why
        size = len(next(iter(known.values()))) if known else dimensions or 1
        result = np.zeros((len(self._of), size), np.float32)
        for place, digests in enumerate(self._of):
            if len(digests) == 1 and place not in self.refused:
                result[place] = known[digests[0]]
            elif digests and place not in self.refused:
                result[place] = self._mean(digests, known)
        return result

    def _mean(self, digests: Sequence[bytes], known: Mapping[bytes, Vector]) -> Vector:
        """Return the mean of parts, weighed by their length, as a unit vector."""
        weights = np.array([self._bytes[digest] for digest in digests], np.float32)
        mean = (np.stack([known[digest] for digest in digests]) * weights[:, None]).sum(0)
        length = float(np.linalg.norm(mean))
        mean = mean / length if length > 0 else mean
        return np.asarray(mean, np.float32)
