"""HTTP/1.1 as far as it is needed, in a thread of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from types import TracebackType
from typing import Self

from .behaviour import Answer, Behaviour


class Double:
    """A server on a free port of loopback, in a thread of its own: `with Double() as double: double.url`."""

    def __init__(self, behaviour: Behaviour | None = None, port: int = 0) -> None:
        self.behaviour = behaviour or Behaviour()
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="openai-double", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self._open: set[asyncio.BaseTransport] = set()
        server = await self._loop.create_server(lambda: _Connection(self.behaviour, self._open), "127.0.0.1", self.port)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for transport in list(self._open):
            transport.abort()  # type: ignore[attr-defined]
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


class _Connection(asyncio.Protocol):
    """One client's connection: one request after the other."""

    def __init__(self, behaviour: Behaviour, opened: set[asyncio.BaseTransport]) -> None:
        self._behaviour = behaviour
        self._opened = opened
        self._data = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]
        self._opened.add(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._opened.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._data[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
        length = int(headers.get("content-length", 0))
        if len(self._data) < end + 4 + length:
            return
        body = bytes(self._data[end + 4 : end + 4 + length])
        del self._data[: end + 4 + length]
        path = head[0].split(" ")[1]
        if path == "/double":  # what it saw, asked from another process
            self._send(Answer(200, json.dumps(self._seen()).encode()))
        elif path != "/v1/embeddings" or not head[0].startswith("POST "):
            self._send(Answer(404, b'{"error": {"message": "no such path", "type": "x", "param": null, "code": null}}'))
        elif self._behaviour.latency:  # counted from when the request is there, as a client sees it
            loop = asyncio.get_running_loop()
            due = loop.time() + self._behaviour.latency
            answer = self._behaviour.take(headers.get("authorization", ""), body)
            loop.call_at(due, self._send, answer)
        else:
            self._send(self._behaviour.take(headers.get("authorization", ""), body))

    def _seen(self) -> dict[str, object]:
        seen = self._behaviour
        return {"requests": seen.requests, "paid_inputs": seen.paid_inputs, "paid_tokens": seen.paid_tokens, "invalid": seen.invalid}

    def _send(self, answer: Answer) -> None:
        if self._transport.is_closing():
            return
        headers = {"content-type": "application/json", "content-length": str(len(answer.body)), **answer.headers}
        head = f"HTTP/1.1 {answer.status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        whole = head.encode() + b"\r\n" + answer.body
        if answer.sent == 1.0:
            self._transport.write(whole)
            return
        if answer.sent:
            self._transport.write(whole[: int(len(whole) * answer.sent)])
        self._transport.abort()
