"""One request by OpenAI's SDK: what goes out, what comes back, and what each failure means. Nothing of it is repeated in errors."""

from __future__ import annotations

import json
import logging
import re
import time
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from threading import local
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WORD = re.compile(r"[a-z][a-z_]{0,59}")  # codes are such words; keys and contents are not
_REFUSED = frozenset({400, 413, 422})
_LONGEST_BACKOFF = 3600.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer: one vector a text, in their order, shape (n, dimensions); and the tokens paid, None where it doesn't say."""

    vectors: NDArray[np.float32]
    tokens: int | None


class Trouble(Exception):
    """A request came to nothing. Its text is safe to show: it holds nothing that was sent or received but codes.

    Attributes:
        headers: of the answer, where there was one.
        paid: whether the work may have been done, and paid, all the same.
    """

    def __init__(self, what: str, headers: Mapping[str, str] | None = None, *, paid: bool = False) -> None:
        super().__init__(what)
        self.headers = headers or {}
        self.paid = paid


class Limited(Trouble):
    """Too many requests, or too large ones; `retry_after` seconds are asked for, None where it doesn't say."""

    retry_after: float | None = None


class Denied(Trouble):
    """The key, the quota or the settings: nothing will go until someone does something."""


class Rejected(Trouble):
    """The request is refused as it is."""


class Failed(Trouble):
    """The server broke: it may be the texts' doing, or an outage."""

    retry_after: float | None = None


class Unreached(Trouble):
    """There was no answer: no connection, or one that ended."""


class Misanswered(Trouble):
    """The answer isn't its texts' vectors."""


class Silencer(logging.Filter):
    """Keeps the SDK's debug log from showing what vectopt sends; what others send by the same SDK it leaves alone."""

    def __init__(self) -> None:
        super().__init__()
        self.calling = local()

    def filter(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - whatever it is
        """Let a record through unless this thread is sending."""
        return not getattr(self.calling, "here", False)


_SILENCER = Silencer()


def hush() -> None:
    """Have the SDK's log say nothing of our requests; doing so twice does no harm."""
    logging.getLogger("openai._base_client").addFilter(_SILENCER)


def send(client: Any, body: Mapping[str, Any], dimensions: int | None) -> tuple[Reply, Mapping[str, str]]:
    """Send one request, and check what comes back; return it with the answer's headers.

    Raises:
        Trouble: one of its kinds.
    """
    import openai

    trouble: Trouble
    _SILENCER.calling.here = True
    try:
        # The SDK looks at every element of an input as if it could be something else, which takes longer than all else: not of extra_body.
        raw = client.embeddings.with_raw_response.create(**{**body, "input": []}, extra_body={"input": body["input"]})
        content, headers = raw.content, raw.headers
    except openai.APIStatusError as error:
        trouble = _status(error.status_code, error.body, error.response.headers)
    except openai.APITimeoutError:
        trouble = Unreached("no answer in time", paid=True)
    except openai.APIConnectionError as error:
        trouble = Unreached(f"no connection ({type(error.__cause__ or error).__name__})", paid=True)
    except openai.OpenAIError as error:
        trouble = Misanswered(f"the answer can't be read ({type(error).__name__})", paid=True)
    else:
        return _read(content, headers, len(body["input"]), dimensions, body["model"]), headers
    finally:
        _SILENCER.calling.here = False
    raise trouble  # out here, so that it doesn't drag the SDK's error along: that one holds the request


def _status(status: int, body: Any, headers: Mapping[str, str]) -> Trouble:
    """Return what an answer with such a status means."""
    said = body if isinstance(body, dict) else {}
    code, kind, param = (_word(said.get(name)) for name in ("code", "type", "param"))
    named = ", ".join(dict.fromkeys(word for word in (code, kind) if word))
    what = f"HTTP {status}" + (f" ({named})" if named else "")
    if status == 429 and "insufficient_quota" in (code, kind):
        return Denied(f"the quota is used up: {what}", headers)
    if status == 429:
        limited = Limited(f"too many requests: {what}", headers)
        limited.retry_after = _retry_after(headers)
        return limited
    if status in (401, 403, 404, 405):
        wrong = {401: "the key is not accepted", 403: "access is refused"}.get(status, "there is no such model or address")
        return Denied(f"{wrong}: {what}", headers)
    if status in _REFUSED and param is not None and not param.startswith("input"):
        return Denied(f"the settings are refused: {what}, {param}", headers)
    if status in _REFUSED:
        return Rejected(f"refused: {what}", headers)
    failed = Failed(f"the server failed: {what}", headers)
    failed.retry_after = _retry_after(headers)
    return failed


def _word(told: Any) -> str | None:
    return told if isinstance(told, str) and _WORD.fullmatch(told) else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait: as milliseconds, as seconds or as a date."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        told = headers.get(name)
        if told is None:
            continue
        try:
            seconds = float(told) * scale
        except ValueError:
            try:
                seconds = parsedate_to_datetime(told).timestamp() - time.time()
            except (TypeError, ValueError):
                continue
        if 0 <= seconds < float("inf"):
            return min(seconds, _LONGEST_BACKOFF)
    return None


def _read(content: bytes, headers: Mapping[str, str], count: int, dimensions: int | None, model: str) -> Reply:
    """Return the vectors of an answer in the order of their texts.

    Raises:
        Misanswered: one is missing, twice there, of another size, zero or not finite, or of another model.
    """
    what = None
    try:
        answer = json.loads(content)
        rows = [(entry["index"], entry["embedding"]) for entry in answer["data"]]
        answered = answer.get("model")
        usage = answer.get("usage") or {}
        tokens = usage.get("total_tokens", usage.get("prompt_tokens"))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"the answer can't be read ({type(error).__name__})"
    if what is not None:
        raise Misanswered(what, headers, paid=True)
    if sorted(index for index, _ in rows if type(index) is int) != list(range(count)):
        raise Misanswered(f"{len(rows)} vectors came for {count} texts, or two for the same one", headers, paid=True)
    if not _same_model(model, answered):
        raise Misanswered("the vectors are of another model", headers, paid=True)
    ordered: list[Any] = [None] * count
    for index, one in rows:
        ordered[index] = one
    try:
        vectors = _array(ordered)
    except (ValueError, TypeError):
        vectors = np.empty((0, 0), np.float32)
    if vectors.ndim != 2 or len(vectors) != count or vectors.shape[1] != (dimensions or vectors.shape[1]) or not vectors.shape[1]:
        raise Misanswered(f"the vectors are not of {dimensions or 'the same'} dimensions", headers, paid=True)
    if not np.isfinite(vectors).all() or not vectors.any(axis=1).all():
        raise Misanswered("there are vectors with NaN or infinite values, or without any", headers, paid=True)
    return Reply(vectors, tokens if type(tokens) is int and tokens >= 0 else None)


def _array(rows: Sequence[Any]) -> NDArray[np.float32]:
    """Return vectors, given as base64 or as lists, as an array."""
    if all(isinstance(row, str) for row in rows):
        data = [a2b_base64(row) for row in rows]
        if len({len(one) for one in data}) > 1:
            raise ValueError
        return np.frombuffer(b"".join(data), "<f4").reshape(len(rows), -1).astype(np.float32)
    with np.errstate(over="ignore"):
        return np.asarray(rows, np.float32)


def _same_model(asked: str, answered: Any) -> bool:
    """Tell whether an answer may be of the model asked for; other servers name models as they like."""
    known = DIMENSIONS
    return not (asked in known and answered in known) or asked == answered


DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "text-embedding-ada-002": 1536}
