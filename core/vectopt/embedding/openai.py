"""OpenAI's embeddings, and those of any server that speaks the same."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Lock
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import EmbedderFailed, InvalidSettings, MissingExtra, StoreFull, TextsRefused
from ..protocols import Embedded, Role
from .cache import Cache, FolderCache, MemoryCache
from .flight import Flight
from .job import Job
from .pacing import Pacer
from .secret import Secret
from .sending import Parcel, Sender, Tally
from .tokens import TokenCounter
from .wire import DIMENSIONS, Reply, hush, send

LongTexts = Literal["pool", "truncate", "refuse"]

MOST_TEXTS, MOST_TOKENS = 2048, 300_000  # of a request
PRICES = {"text-embedding-3-small": 0.02, "text-embedding-3-large": 0.13, "text-embedding-ada-002": 0.10}  # dollars a million tokens
_REMEMBERED = 2048  # vectors in memory, without a folder
_QUERY_SECONDS = 10.0  # whoever asks waits for an answer


@dataclass(frozen=True, slots=True)
class Spending:
    """What an embedder did since it was made.

    Attributes:
        requests: sent, whatever came of them.
        inputs: texts, or parts of texts, that were paid.
        tokens: paid, as the server counts them; of an answer that was lost, as we do.
        cost: of the tokens; None without a price.
        remembered: texts that were known already.
        retries: requests sent again after a failure.
        pauses: times that the server asked to wait.
    """

    requests: int
    inputs: int
    tokens: int
    cost: float | None
    remembered: int
    retries: int
    pauses: int


class OpenAIEmbedder:
    """An `Embedder` over OpenAI's embeddings. Thread-safe; nothing is sent before the first text.

    Equal texts are embedded once, across time too where there is a folder. Answers are checked before they are believed: as many
    vectors as texts, put in their order by `index`, of one size, finite.

    Args:
        model: its name.
        dimensions: of the vectors, where not the model's own; text-embedding-3 models take fewer.
        api_key: the key, or a `Secret` of it; None for the environment's OPENAI_API_KEY. It is never shown.
        base_url: of another server; None for the environment's OPENAI_BASE_URL, or OpenAI.
        client: an `openai.OpenAI` or `openai.AzureOpenAI` to use instead of key and address. Its retries are turned off.
        long_texts: what happens to texts of more than 8,192 tokens: "pool" embeds their parts and takes the mean, weighed by tokens;
            "truncate" embeds their beginning, and `explain` says so; "refuse" leaves them without a vector, among the dead letters.
        cache: a folder that remembers vectors by digest, model and dimensions, never texts; None for the last 2,048 in memory.
        cache_bytes: what the folder may take for this model.
        concurrency: requests at a time.
        batch_texts: texts of a request, 2,048 at the most.
        batch_tokens: tokens of a request, 300,000 at the most.
        price_per_million_tokens: in dollars; None for OpenAI's price of the model where it is known.
        timeout_seconds: for an answer; 5 for a connection.
        patience_seconds: how long texts of the queue wait for their turn; a query waits 10 seconds at the most.
        max_retries: of a request that fails.
        clock: seconds that only ever grow.
        sleep: waits.
        seed: of the jitter.

    Raises:
        MissingExtra: openai is not installed.
        InvalidSettings: an argument is out of range, or there is no key.
        StorePathError: the folder can't hold a cache.
    """

    def __init__(
        self,
        model: str = "text-embedding-3-small",
        *,
        dimensions: int | None = None,
        api_key: str | Secret | None = None,
        base_url: str | None = None,
        client: Any = None,
        long_texts: LongTexts = "pool",
        cache: str | os.PathLike[str] | None = None,
        cache_bytes: int = 2 * 2**30,
        concurrency: int = 4,
        batch_texts: int = MOST_TEXTS,
        batch_tokens: int = MOST_TOKENS,
        price_per_million_tokens: float | None = None,
        timeout_seconds: float = 60,
        patience_seconds: float = 120,
        max_retries: int = 5,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        seed: int | None = None,
    ) -> None:
        if importlib.util.find_spec("openai") is None:
            raise MissingExtra("openai", "openai")
        if not isinstance(model, str) or not model:
            raise InvalidSettings(f"OpenAIEmbedder.model must be a model's name; got {model!r}")
        if long_texts not in ("pool", "truncate", "refuse"):
            raise InvalidSettings(f"OpenAIEmbedder.long_texts must be 'pool', 'truncate' or 'refuse'; got {long_texts!r}")
        _whole("dimensions", dimensions, None)
        _whole("concurrency", concurrency, 256)
        _whole("batch_texts", batch_texts, MOST_TEXTS)
        _whole("batch_tokens", batch_tokens, MOST_TOKENS)
        _whole("cache_bytes", cache_bytes, None)
        for name, value in (
            ("price_per_million_tokens", price_per_million_tokens),
            ("timeout_seconds", timeout_seconds),
            ("patience_seconds", patience_seconds),
        ):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf")):
                raise InvalidSettings(f"OpenAIEmbedder.{name} must be a number above 0; got {value!r}")
        if isinstance(max_retries, bool) or not isinstance(max_retries, int) or max_retries < 0:
            raise InvalidSettings(f"OpenAIEmbedder.max_retries must be a whole number of 0 or more; got {max_retries!r}")
        if dimensions is not None and model == "text-embedding-ada-002":
            raise InvalidSettings("OpenAIEmbedder.dimensions: text-embedding-ada-002 has 1536 and takes no other")
        self.model = model
        self.name = f"openai/{model}"
        self.dimensions: int | None = dimensions or DIMENSIONS.get(model)
        self.concurrency = concurrency
        self.batch_texts = batch_texts
        self.batch_tokens = batch_tokens
        self.price_per_million_tokens = PRICES.get(model) if price_per_million_tokens is None else price_per_million_tokens
        self._asked_dimensions = dimensions
        self._key = None if client is not None else _key(api_key)
        self._base_url = base_url
        self._given = client
        self._client: tuple[int, Any] | None = None
        self._timeout = timeout_seconds
        self._patience = patience_seconds
        self._long = long_texts
        self._counter = TokenCounter()
        self._folder, self._cache_bytes = cache, cache_bytes
        self._cache: Cache = self._opened_cache()
        self._pacer = Pacer(concurrency, clock, sleep, seed)
        self._sender = Sender(self._post, self._pacer, max_retries, self._count)
        self._lock = Lock()
        self._tally = Tally()
        self._remembered = 0

    def __repr__(self) -> str:
        return f"OpenAIEmbedder({self.model!r}, dimensions={self.dimensions})"

    @property
    def spending(self) -> Spending:
        """What was sent and paid since the embedder was made."""
        with self._lock:
            tally, remembered = self._tally, self._remembered
        price = self.price_per_million_tokens
        cost = None if price is None else tally.tokens * price / 1_000_000
        return Spending(tally.requests, tally.inputs, tally.tokens, cost, remembered, tally.retries, self._pacer.pauses)

    def count_tokens(self, text: str) -> int:
        """Return how many tokens a text has, or more where tiktoken's encoding isn't at hand."""
        return self._counter.count(text)

    def embed(self, texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        """Return one vector a text, in the order of the texts: shape (len(texts), dimensions). A blank text gets zeros.

        Raises:
            TextsRefused: some of them; the others' vectors are remembered.
            EmbedderBusy, EmbedderStopped, EmbedderFailed: see `vectopt.protocols.Embedder`.
        """
        answer = self.embed_accounted(texts, role)
        if answer.refused:
            raise TextsRefused(answer.refused)
        vectors: NDArray[np.float32] = answer.vectors
        return vectors

    def embed_accounted(self, texts: Sequence[str], role: Role) -> Embedded:
        """Return the same with what was paid; refused texts are in it and not an error."""
        patience = min(_QUERY_SECONDS, self._patience) if role == "query" else self._patience
        job = Job(texts, self._counter.count, self._long)
        known = self._cache.get(job.digests)
        with self._lock:
            self._remembered += len(known)
        paid = self._send(job, known, patience)
        return Embedded(job.vectors(known, self.dimensions), paid, job.refused, job.notes)

    def _send(self, job: Job, known: dict[bytes, NDArray[np.float32]], patience: float) -> int:
        """Send what isn't known, several requests at a time; add it to what is known and return the tokens paid."""
        exact = self._pacer.most_tokens < float("inf")
        waiting = job.parcels(known, self.batch_texts, self.batch_tokens, exact=exact)
        parcels = [parcel for _, parcel in waiting]
        if len(waiting) == 1:  # as is the rule: no thread is needed
            self._deliver(job, *waiting[0], known, patience)
            return parcels[0].paid
        flight: Flight[int, None] = Flight(self.concurrency)
        try:
            for number, one in enumerate(waiting):
                flight.start(number, partial(self._deliver, job, *one, known, patience))
            while flight.flying:
                flight.land()
        except EmbedderFailed as error:
            error.tokens = sum(parcel.paid for parcel in parcels)
            raise
        finally:
            flight.call_off()
        return sum(parcel.paid for parcel in parcels)

    def _deliver(
        self, job: Job, digests: Sequence[bytes], parcel: Parcel, known: dict[bytes, NDArray[np.float32]], patience: float
    ) -> None:
        """Send one parcel; whatever comes back is remembered, though the rest of it may come to nothing."""
        try:
            self._sender.send(parcel, self._pacer.now() + patience)
        finally:
            found = {digest: vector for digest, vector in zip(digests, parcel.vectors, strict=True) if vector is not None}
            known.update(found)
            self._remember(found)
        for place, why in parcel.refused.items():
            job.refuse(digests[place], why)

    def _remember(self, found: dict[bytes, NDArray[np.float32]]) -> None:
        if not found:
            return
        with self._lock:
            if self.dimensions is None:  # the first answer tells
                self.dimensions = len(next(iter(found.values())))
                self._cache = self._opened_cache()
        with suppress(StoreFull):  # a cache: the vectors are here all the same
            self._cache.put(found)

    def _opened_cache(self) -> Cache:
        if self._folder is None or self.dimensions is None:
            return MemoryCache(_REMEMBERED)
        return FolderCache(self._folder, self.model, self.dimensions, self._cache_bytes)

    def _post(self, texts: Sequence[str]) -> tuple[Reply, Mapping[str, str]]:
        """Send one request."""
        body: dict[str, Any] = {"model": self.model, "input": list(texts), "encoding_format": "base64"}
        if self._asked_dimensions is not None:
            body["dimensions"] = self._asked_dimensions
        return send(self._connected(), body, self.dimensions)

    def _connected(self) -> Any:
        """Return the SDK's client, made when it is needed first; one of its own for a forked child."""
        with self._lock:
            if self._client is None or self._client[0] != os.getpid():
                self._client = os.getpid(), self._made_client()
            return self._client[1]

    def _made_client(self) -> Any:
        import openai

        hush()
        timeout = openai.Timeout(self._timeout, connect=min(5.0, self._timeout))
        if self._given is not None:
            return self._given.with_options(max_retries=0, timeout=timeout)
        assert self._key is not None
        return openai.OpenAI(api_key=self._key.reveal(), base_url=self._base_url, max_retries=0, timeout=timeout)

    def _count(self, more: Tally) -> None:
        with self._lock:
            tally = self._tally
            tally.requests += more.requests
            tally.inputs += more.inputs
            tally.tokens += more.tokens
            tally.retries += more.retries

    def close(self) -> None:
        """Close the connections and the cache; those of a client that was given stay open."""
        with self._lock:
            client, self._client = self._client, None
            cache, self._cache = self._cache, MemoryCache(_REMEMBERED)
        if client is not None and self._given is None and client[0] == os.getpid():
            client[1].close()
        cache.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def _key(given: str | Secret | None) -> Secret:
    if isinstance(given, Secret):
        return given
    found = os.environ.get("OPENAI_API_KEY") if given is None else given
    if not found or not isinstance(found, str):
        raise InvalidSettings("OpenAIEmbedder needs a key: set OPENAI_API_KEY, or pass api_key=")
    return Secret(found)


def _whole(name: str, value: int | None, most: int | None) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (most is not None and value > most):
        upper = "" if most is None else f" to {most:,}"
        raise InvalidSettings(f"OpenAIEmbedder.{name} must be a whole number from 1{upper}; got {value!r}")
