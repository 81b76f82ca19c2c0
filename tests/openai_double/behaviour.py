"""What the double does with a request: what it checks, what goes wrong, what it answers."""

from __future__ import annotations

import base64
import json
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b, shake_128
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vectopt.embedding.tokens import encoding_at_hand

DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
_KNOWN = {"input", "model", "encoding_format", "dimensions", "user"}  # CreateEmbeddingRequest allows no other


class Fault(StrEnum):
    """What can go wrong with one request."""

    NONE = "none"
    LIMITED = "limited"  # 429, with Retry-After or without, by turns
    QUOTA = "quota"  # 429, nothing left to spend
    DENIED = "denied"  # 401, the key said aloud in the message, as a careless server would
    FORBIDDEN = "forbidden"  # 403
    SERVER = "server"  # 500 to 503
    CUT_BEFORE = "cut_before"  # the connection ends before the work is done
    CUT_AFTER = "cut_after"  # the work is done, and paid for, and half of the answer sent
    SHORT = "short"  # one vector too few
    NAN = "nan"
    SIZE = "size"  # vectors of another size
    ZERO = "zero"
    SHUFFLED = "shuffled"  # in another order, each with its index
    TWICE = "twice"  # one index twice
    GARBLED = "garbled"  # no JSON


@dataclass
class Answer:
    """What is to be sent. `sent` is the share of it after which the connection is cut."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    sent: float = 1.0


@dataclass
class Behaviour:
    """How the double behaves, and what it saw. Change it at any time.

    Attributes:
        key: the only one accepted; None accepts all.
        shares: of the requests that get a fault, at random.
        script: faults of the next requests, before chance has its say.
        latency: seconds that the work takes.
        retry_after: what a 429 with that header says, in seconds.
        poison: an input with one of these in it gets the whole request refused.
        rude: an input with one of these in it breaks the server: 500.
        refuse_all: every request is refused, with this as `param`.
        counted: count tokens as the model does; else by bytes, which is faster.
        requests_a_minute, tokens_a_minute: limits that are held, and told in headers.
    """

    key: str | None = None
    shares: dict[Fault, float] = field(default_factory=dict)
    script: list[Fault] = field(default_factory=list)
    latency: float = 0.0
    retry_after: float = 0.02
    poison: set[str] = field(default_factory=set)
    rude: set[str] = field(default_factory=set)
    refuse_all: str | None = None
    counted: bool = True
    requests_a_minute: float | None = None
    tokens_a_minute: float | None = None
    seed: int = 7
    requests: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    paid_inputs: int = 0
    paid_tokens: int = 0
    paid: Counter[bytes] = field(default_factory=Counter)  # by digest of the input
    sizes: list[int] = field(default_factory=list)  # inputs of each request
    at: list[float] = field(default_factory=list)  # when each request came
    invalid: list[str] = field(default_factory=list)  # what was wrong with requests by the specification

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self._buckets: dict[str, tuple[float, float]] = {}
        self._with_header = False

    def take(self, authorization: str, body: bytes) -> Answer:
        """Answer a request, in time or not at all (`sent` 0)."""
        self.requests += 1
        self.at.append(time.monotonic())
        fault = self._fault()
        self.faults[fault] += 1
        if self.key is not None and authorization != f"Bearer {self.key}":
            fault = Fault.DENIED
        request = json.loads(body)
        inputs = request.get("input")
        inputs = [inputs] if isinstance(inputs, str) else inputs
        self.sizes.append(len(inputs))
        before = self._before(fault, authorization, request, inputs)
        if before is not None:
            return before
        tokens = sum(map(self.tokens, inputs))
        limited = self._limited(tokens)
        if limited is not None:
            return limited
        self.paid_inputs += len(inputs)
        self.paid_tokens += tokens
        self.paid.update(blake2b(text.encode(), digest_size=8).digest() for text in inputs)
        return self._reply(fault, request, inputs, tokens)

    def _fault(self) -> Fault:
        if self.script:
            return self.script.pop(0)
        point = self._random.random()
        for fault, share in self.shares.items():
            point -= share
            if point < 0:
                return fault
        return Fault.NONE

    def _before(self, fault: Fault, authorization: str, request: dict[str, Any], inputs: list[str]) -> Answer | None:
        """Return what keeps the work from being done."""
        if fault is Fault.LIMITED:
            self._with_header = not self._with_header
            headers = {"Retry-After": str(self.retry_after)} if self._with_header else {}
            return _error(429, "Rate limit reached", "requests", "rate_limit_exceeded", headers=headers)
        if fault is Fault.QUOTA:
            return _error(429, "You exceeded your current quota", "insufficient_quota", "insufficient_quota")
        if fault is Fault.DENIED:
            return _error(401, f"Incorrect API key provided: {authorization} for {inputs[0]}", "invalid_request_error", "invalid_api_key")
        if fault is Fault.FORBIDDEN:
            return _error(403, "Country, region, or territory not supported", "request_forbidden", "unsupported_country_region_territory")
        if fault is Fault.SERVER or any(mark in text for mark in self.rude for text in inputs):
            return _error(self._random.choice((500, 502, 503)), f"The server had an error with {inputs[0]}", "server_error", None)
        if fault is Fault.CUT_BEFORE:
            return Answer(0, b"", sent=0.0)
        wrong = self._wrong(request, inputs)
        if wrong is not None:
            self.invalid.append(wrong)
            return _error(400, wrong, "invalid_request_error", None, param="input")
        if self.refuse_all is not None:
            return _error(400, f"refused: {inputs[0]}", "invalid_request_error", None, param=self.refuse_all)
        if any(mark in text for mark in self.poison for text in inputs):
            return _error(400, f"'{inputs}' is not valid", "invalid_request_error", None, param="input")
        return None

    def _wrong(self, request: dict[str, Any], inputs: Any) -> str | None:
        """Return what the specification has against a request."""
        if set(request) - _KNOWN:
            return f"unknown fields: {sorted(set(request) - _KNOWN)}"
        if not isinstance(request.get("model"), str):
            return "model must be a string"
        if request.get("encoding_format", "float") not in ("float", "base64"):
            return "encoding_format must be float or base64"
        dimensions = request.get("dimensions", 1)
        if not isinstance(dimensions, int) or dimensions < 1 or ("dimensions" in request and request["model"].endswith("ada-002")):
            return "dimensions"
        if not isinstance(inputs, list) or not 1 <= len(inputs) <= 2048:
            return "input must have 1 to 2048 elements"
        if not all(isinstance(text, str) and text for text in inputs):
            return "input must be strings that aren't empty"
        if sum(len(text.encode()) for text in inputs) > 8192:  # no text has more tokens than bytes
            counts = [tokens_of(text) for text in inputs]
            if max(counts) > 8192:
                return f"an input has {max(counts)} tokens; the most is 8192"
            if sum(counts) > 300_000:
                return f"the request has {sum(counts)} tokens; the most is 300000"
        return None

    def tokens(self, text: str) -> int:
        """Return what a text costs."""
        return tokens_of(text) if self.counted else max(1, len(text) // 4)

    def _limited(self, tokens: int) -> Answer | None:
        for name, limit, amount in (("requests", self.requests_a_minute, 1), ("tokens", self.tokens_a_minute, tokens)):
            if limit is None:
                continue
            left, _ = self._left(name, limit)
            if left < amount:
                headers = {"retry-after": f"{(amount - left) / (limit / 60):.3f}", **self.headers()}
                return _error(429, f"Rate limit reached for {name}", name, "rate_limit_exceeded", headers=headers)
        for name, limit, amount in (("requests", self.requests_a_minute, 1), ("tokens", self.tokens_a_minute, tokens)):
            if limit is not None:
                self._buckets[name] = (self._left(name, limit)[0] - amount, time.monotonic())
        return None

    def _left(self, name: str, limit: float) -> tuple[float, float]:
        left, at = self._buckets.get(name, (limit, time.monotonic()))
        left = min(limit, left + (time.monotonic() - at) * limit / 60)
        return left, (limit - left) / (limit / 60)

    def headers(self) -> dict[str, str]:
        """Return what is told of the limits."""
        told = {}
        for name, limit in (("requests", self.requests_a_minute), ("tokens", self.tokens_a_minute)):
            if limit is not None:
                left, reset = self._left(name, limit)
                told[f"x-ratelimit-limit-{name}"] = str(int(limit))
                told[f"x-ratelimit-remaining-{name}"] = str(int(left))
                told[f"x-ratelimit-reset-{name}"] = f"{int(reset // 60)}m{reset % 60:.3f}s" if reset >= 60 else f"{reset * 1000:.0f}ms"
        return told

    def _reply(self, fault: Fault, request: dict[str, Any], inputs: list[str], tokens: int) -> Answer:
        model = request["model"]
        size = request.get("dimensions") or DIMENSIONS.get(model, 64)
        vectors = vectors_of(inputs, model, size)
        if fault is Fault.NAN:
            vectors[len(vectors) // 2, 0] = np.nan
        elif fault is Fault.SIZE:
            vectors = vectors[:, : size - 1]
        elif fault is Fault.ZERO:
            vectors[0] = 0
        indexed = list(enumerate(vectors))
        if fault is Fault.SHORT:
            indexed.pop(self._random.randrange(len(indexed)))
        elif fault is Fault.SHUFFLED:
            self._random.shuffle(indexed)
        elif fault is Fault.TWICE:
            indexed[-1] = (0, indexed[-1][1])
        if request.get("encoding_format") == "base64":
            shown = [base64.b64encode(vector.tobytes()).decode() for _, vector in indexed]
        else:
            shown = [vector.tolist() for _, vector in indexed]
        data = [{"object": "embedding", "index": index, "embedding": one} for (index, _), one in zip(indexed, shown, strict=True)]
        body = json.dumps(
            {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
        ).encode()
        if fault is Fault.GARBLED:
            body = body[: len(body) // 2]
        return Answer(200, body, self.headers(), sent=0.5 if fault is Fault.CUT_AFTER else 1.0)


def vectors_of(texts: list[str], model: str, dimensions: int) -> NDArray[np.float32]:
    """Return each text's own vector, of length 1: shape (len(texts), dimensions)."""
    raw = b"".join(shake_128(f"{model}\0{text}".encode()).digest(dimensions) for text in texts)
    rows = np.frombuffer(raw, np.uint8).reshape(len(texts), dimensions).astype("<f4") - np.float32(127.5)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def tokens_of(text: str) -> int:
    """Return how many tokens the model counts."""
    encoding = encoding_at_hand("cl100k_base")
    assert encoding is not None, "the encoding comes with llama-index-core"
    return len(encoding.encode_ordinary(text))


def _error(
    status: int, message: str, kind: str, code: str | None, *, param: str | None = None, headers: dict[str, str] | None = None
) -> Answer:
    body = json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()
    return Answer(status, body, headers or {})
