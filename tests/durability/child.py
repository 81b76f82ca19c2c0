"""What the tests' child processes do.

A child is started with a role. The zygote imports everything once and then forks a child for every plan: the child
opens the store after the fork, as each process must.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from vectopt import Budget, CapacitySettings, Item, Settings, VectorManager
from vectopt.errors import CapacityExceeded
from vectopt.ledger import ledger, transaction

from .checker import DIMENSIONS, letters
from .embedder import HashEmbedder
from .trials import run_trial

Ack = Callable[[], None]


def open_store(path: str | None, *, max_vectors: int | None = None, seconds: float = 0.0) -> VectorManager:
    """Open a store as all processes of these tests do."""
    return VectorManager(path, embedder=HashEmbedder(DIMENSIONS, seconds=seconds), budget=Budget(max_vectors=max_vectors))


# --- the parent's side


class Role:
    """A child process in a role, talked to in lines of JSON."""

    def __init__(self, role: str, *arguments: str) -> None:
        package = __package__ or ""
        root = Path(__file__).parents[len(package.split("."))]
        code = f"import sys; sys.path.insert(0, {str(root)!r}); from {package}.child import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, role, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def ask(self, question: Any) -> Any:
        """Send one question; return the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        return self.answer()

    def answer(self) -> Any:
        """Return the next answer."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the child has ended, with {self._process.wait()}")
        return json.loads(line)

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self._process.kill()
        self.close()

    def close(self) -> int:
        """Let it end; return its exit status. Closing twice is no error."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        code = self._process.wait(30)
        self._process.stdout.close()
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is None:
            self.close()
        else:
            self.kill()


def run_role(role: str, *arguments: str) -> Any:
    """Run a child in a role to its end; return its one answer."""
    with Role(role, *arguments) as child:
        answer = child.answer()
        assert child.close() == 0
    return answer


class Peer(Role):
    """Another process with the same store open, doing as it is told."""

    def __init__(self, path: str) -> None:
        super().__init__("serve", path)

    def __call__(self, call: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of the other process's manager; hits and items come back as (id, content, metadata)."""
        answer = self.ask([call, arguments, named])
        assert "error" not in answer, answer
        return answer["value"]


# --- the child's side


def main() -> None:
    """Play the role named on the command line."""
    ROLES[sys.argv[1]](*sys.argv[2:])


def _say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def zygote() -> None:
    """Fork a child for every plan; reap them when told."""
    for line in sys.stdin:
        order = json.loads(line)
        if "reap" in order:
            _say(os.waitpid(order["reap"], 0)[1])
            continue
        pid = os.fork()
        if not pid:
            try:
                # Dies with the zygote, so that nothing outlives an interrupted test.
                ctypes.CDLL(None).prctl(1, signal.SIGKILL) if sys.platform == "linux" else None
                {"plan": run_plan, "hammer": run_hammer, "trial": run_trial, "crowd": run_crowd}[order["do"]](order)
            finally:
                os._exit(0)
        _say(pid)


def run_plan(plan: dict[str, Any]) -> None:
    """Make a plan's calls one after the other, and acknowledge each; then wait to be killed."""
    acks = os.open(plan["acks"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        transaction._CHECKPOINT_BYTES = plan["checkpoint_bytes"]
        calls = json.loads(Path(plan["calls"]).read_text())
        perform = PLANTED[plan["planted"]]
        store = open_store(plan["path"], max_vectors=plan["max_vectors"], seconds=plan["seconds"])
        for number, op in enumerate(calls):
            perform(store, op, lambda number=number: os.write(acks, b'{"done": %d}\n' % number))
    except BaseException:
        os.write(acks, json.dumps({"error": traceback.format_exc()}).encode() + b"\n")
    time.sleep(60)


def do(store: VectorManager, op: dict[str, Any]) -> None:
    """Make one call."""
    namespace = op.get("namespace")
    if op["call"] == "add":
        store.add([Item(**item) for item in op["items"]], namespace=namespace, wait=op["wait"])
    elif op["call"] == "process":
        for item in op["items"]:
            result = store.process_content(item["content"], item["metadata"], id=item["id"], namespace=namespace)
            assert result.status != "error", result
    elif op["call"] == "delete":
        store.delete(op["ids"], namespace=namespace)
    elif op["call"] == "delete_all":
        store.delete_all(namespace=namespace)
    else:
        store.drain(op["limit"])


def _honest(store: VectorManager, op: dict[str, Any], ack: Ack) -> None:
    do(store, op)
    ack()


def _acks_before_commit(store: VectorManager, op: dict[str, Any], ack: Ack) -> None:
    ack()
    time.sleep(0.01)
    do(store, op)


def _tears_batches(store: VectorManager, op: dict[str, Any], ack: Ack) -> None:
    for item in op.get("items", ()):
        do(store, op | {"items": [item]})
        time.sleep(0.003)
    if "items" not in op:
        do(store, op)
    ack()


def _forgets_deletions(store: VectorManager, op: dict[str, Any], ack: Ack) -> None:
    if op["call"] != "delete":
        do(store, op)
    ack()


def _miscounts(store: VectorManager, op: dict[str, Any], ack: Ack) -> None:
    count = transaction.Transaction.count

    def forgetful(tx: transaction.Transaction, namespace: str, name: str, by: int = 1) -> None:
        if name != "items" or by > 0:
            count(tx, namespace, name, by)

    transaction.Transaction.count = forgetful  # type: ignore[method-assign]
    do(store, op)
    transaction.Transaction.count = count  # type: ignore[method-assign]
    ack()


PLANTED: dict[str, Callable[[VectorManager, dict[str, Any], Ack], None]] = {
    "nothing": _honest,
    "acks before the commit": _acks_before_commit,
    "tears batches": _tears_batches,
    "forgets deletions": _forgets_deletions,
    "miscounts": _miscounts,
}


def run_hammer(order: dict[str, Any]) -> None:
    """Hammer a store for a while and write down what came of it."""
    result: dict[str, Any]
    try:
        with open_store(order["path"]) as store:
            result = hammer(store, order["who"], order["seconds"])
    except BaseException:
        result = {"errors": [traceback.format_exc()]}
    Path(order["result"]).write_text(json.dumps(result))


def hammer(store: VectorManager, who: int, seconds: float) -> dict[str, Any]:
    """Add, replace, delete, search and drain for a while, looking at once for all that was written.

    Returns:
        What of this worker's must be in the store at the end, every error met, how many calls were made, and the
        longest one in seconds.
    """
    rng, end, number = Random(who), time.monotonic() + seconds, 0
    mine: dict[str, tuple[str, dict[str, Any]]] = {}
    gone: list[str] = []
    errors: list[str] = []
    calls, longest = 0, 0.0

    def item(id: str | None = None) -> dict[str, Any]:
        nonlocal number
        number += 1
        word = letters(who * 1_000_000 + number)
        metadata = {"word": word, "who": who, "n": number}
        vector = [rng.gauss(0, 1) for _ in range(DIMENSIONS)] if rng.random() < 0.3 else None
        return {"id": id or f"{who}-{number}", "content": f"{word} the engine of {word}", "metadata": metadata, "vector": vector}

    def write(items: list[dict[str, Any]]) -> None:
        before = [mine[one["id"]][1]["word"] for one in items if one["id"] in mine]
        store.add(items)
        mine.update((one["id"], (one["content"], one["metadata"])) for one in items)
        gone.extend(before)
        look(items[-1]["id"])

    def look(id: str) -> None:
        content, metadata = mine[id]
        hits = store.search(metadata["word"], 3, mode="lexical")
        if [(hit.id, hit.content, hit.metadata) for hit in hits] != [(id, content, metadata)]:
            errors.append(f"{id} not found by {metadata['word']}: {hits}")
        hits = store.search(metadata["word"], 10)
        stale = [hit for hit in hits if hit.metadata.get("who") == who and (hit.content, hit.metadata) != mine.get(hit.id)]
        if len(hits) < min(10, len(mine)) or len({hit.id for hit in hits}) < len(hits) or stale:
            errors.append(f"stale, twice or too few: {hits}")

    while time.monotonic() < end:
        kind = rng.choices(("one", "batch", "again", "delete", "search", "miss", "drain", "shared", "copy"), (6, 3, 3, 4, 4, 2, 1, 2, 2))[0]
        began = time.monotonic()
        try:
            if kind == "one":
                write([item()])
            elif kind == "batch":
                write([item() for _ in range(5)])
            elif kind == "again" and mine:
                write([item(rng.choice(list(mine)))])
            elif kind == "delete" and len(mine) > 5:
                ids = rng.sample(list(mine), 3)
                removed = store.delete(ids)
                if removed != 3:
                    errors.append(f"deleted {removed} of 3")
                gone.extend(mine.pop(id)[1]["word"] for id in ids)
            elif kind == "search" and mine:
                look(rng.choice(list(mine)))
            elif kind == "miss" and gone:
                if hits := store.search(rng.choice(gone), 1, mode="lexical"):
                    errors.append(f"came back: {hits}")
            elif kind == "drain":
                store.drain(20)
            elif kind == "shared":  # all write the same ids: the last one stands
                store.add(
                    [{"id": f"shared-{rng.randrange(4)}", "content": f"written by {who}", "metadata": {"who": who}}], namespace="side"
                )
            elif kind == "copy":  # all write the same texts under ids of their own
                one = {"id": f"copy-{who}-{rng.randrange(20)}", "content": f"a text of everyone's, {rng.choice('abcdef')}", "metadata": {}}
                store.add([one])
                mine.pop(one["id"], None)
        except BaseException:
            errors.append(traceback.format_exc())
        calls += 1
        longest = max(longest, time.monotonic() - began)
    return {"mine": mine, "gone": gone, "errors": errors, "calls": calls, "longest": longest}


def run_crowd(order: dict[str, Any]) -> None:
    """Add in several threads under a budget on the file; write down what was acknowledged, and what refused."""
    kept: dict[str, str] = {}
    refused: list[str] = []
    errors: list[str] = []

    def work(who: str) -> None:
        rng = Random(who)
        for number in range(order["calls"]):
            batch = {f"{who}-{number}-{n}": f"{who} {number} {n} " + rng.randbytes(300).hex() for n in range(3)}
            try:
                store.add([Item(content, {"of": who}, id) for id, content in batch.items()])
                kept.update(batch)
            except CapacityExceeded:
                refused.extend(batch)
            except BaseException:
                errors.append(traceback.format_exc())

    try:
        budget, archive = Budget(max_bytes=order["max_bytes"]), order["archive"]
        with VectorManager(order["path"], embedder=HashEmbedder(DIMENSIONS), budget=budget, archive=archive) as store:
            threads = [threading.Thread(target=work, args=(f"{order['who']}.{n}",)) for n in range(order["threads"])]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    except BaseException:
        errors.append(traceback.format_exc())
    Path(order["result"]).write_text(json.dumps({"kept": kept, "refused": refused, "errors": errors}))


def serve(path: str) -> None:
    """Keep a store open and make the calls that are asked for."""
    with open_store(path) as store:
        for line in sys.stdin:
            call, arguments, named = json.loads(line)
            try:
                value = getattr(store, call)(*arguments, **named)
                if call in ("search", "get", "scan"):
                    value = [[one.id, one.content, one.metadata] for one in value]
                elif call == "drain":
                    value = value.embedded
                _say({"value": value})
            except Exception:
                _say({"error": traceback.format_exc()})


def _error_of(call: Callable[[], Any]) -> str:
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "none"


def forked(path: str) -> None:
    """Use a store on both sides of a fork."""
    store = open_store(path)
    store.add([{"id": "before", "content": "zqbefore the fork"}], wait=True)
    store.search("zqbefore")
    here, there = os.pipe()
    pid = os.fork()
    if not pid:
        calls: dict[str, Callable[[], Any]] = {
            "add": lambda: store.add(["in the child"]),
            "delete": lambda: store.delete(["before"]),
            "delete_all": store.delete_all,
            "get": lambda: store.get(["before"]),
            "scan": store.scan,
            "search": lambda: store.search("zqbefore"),
            "drain": store.drain,
            "stats": store.stats,
            "start": store.start,
            "explain": lambda: store.explain("before"),
            "close": store.close,
        }
        os.write(there, json.dumps({name: _error_of(call) for name, call in calls.items()}).encode())
        os._exit(0)
    os.waitpid(pid, 0)
    child = json.loads(os.read(here, 65536))
    store.add([{"id": "after", "content": "zqafter the fork"}])
    found = [store.search(word, 1, mode="lexical")[0].id for word in ("zqbefore", "zqafter")]
    store.close()
    _say({"child": child, "found": found})


def forked_holder(path: str, go: str) -> None:
    """Open a store, fork, and close it; the child keeps what it inherited until told, then ends as programs end."""
    store = open_store(path)
    store.add([{"id": "first", "content": "zqfirst"}])
    if not os.fork():
        while not Path(go).exists():
            time.sleep(0.005)
        return
    store.close()
    _say("closed")
    os.wait()
    _say("ended")


def killed_beside_fork(path: str) -> None:
    """Fork while another thread's write holds the file's lock; say the child's process, and wait to be killed."""
    store = open_store(path)
    forked_child = 0

    def fork_here(tx: Any) -> None:
        nonlocal forked_child
        forked_child = os.fork()
        if not forked_child:
            time.sleep(8)
            os._exit(0)
        _say(forked_child)
        time.sleep(60)

    store._ledger.write(fork_here)


def forked_while_opening(path: str) -> None:
    """Fork while another thread is opening a store, and open another one in the child."""
    inside, leave = threading.Event(), threading.Event()
    migrate = ledger.migrate

    def slow(*arguments: Any) -> None:
        inside.set()
        leave.wait(10)
        migrate(*arguments)

    ledger.migrate = slow
    thread = threading.Thread(target=lambda: open_store(path).close())
    thread.start()
    inside.wait(10)
    pid = os.fork()
    if not pid:
        ledger.migrate = migrate
        signal.alarm(3)
        with open_store(path + "-of-the-child") as store:
            store.add(["a text"])
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    leave.set()
    thread.join()
    _say(status)


def writer_to_kill(path: str) -> None:
    """Add items, say so, and wait to be killed."""
    store = open_store(path)
    ids = store.add([{"id": f"late-{n}", "content": f"{letters(n)} written late"} for n in range(20)])
    _say(ids)
    time.sleep(60)


def temporary_unclosed() -> None:
    """Open a temporary store, fork a child that ends as programs end, and end without closing."""
    store = open_store(None)
    store.add(["a text"])
    folder = Path(store.path).parent
    pid = os.fork()
    if not pid:
        return
    status = os.waitpid(pid, 0)[1]
    _say({"folder": str(folder), "child_status": status, "there_after_child": Path(store.path).exists()})


def as_nobody(path: str) -> None:
    """Try to open and to write a store without the rights to; by root after giving them up."""
    with open_store(None) as warm:  # all imports happen while the interpreter's own files can be read
        warm.add(["warm"], wait=True)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    rights = {"root": os.geteuid() == 0, "file": os.access(path, os.W_OK), "folder": os.access(Path(path).parent, os.W_OK)}
    opened = False

    def use() -> None:
        nonlocal opened
        with VectorManager(path) as store:
            opened = True
            store.add(["a text"])

    _say({"error": _error_of(use), "opened": opened, "rights": rights})


def file_size_limit(path: str) -> None:
    """Write against a limit on the size of files, as the system sets it."""
    store = open_store(path)
    store.add([{"id": "before", "content": "zqbefore"}], wait=True)
    wal = Path(path + "-wal")
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal.stat().st_size + 50_000, hard))
    batch = [{"id": f"full-{n}", "content": f"{letters(n)} " + "filler " * 200} for n in range(100)]
    error = _error_of(lambda: store.add(batch))
    stored = len(store.get([one["id"] for one in batch]))
    searched = [store.search(letters(n), 1, mode="lexical") != [] for n in (0, 50, 99)]
    old = [hit.id for hit in store.search("zqbefore", 1, mode="lexical")]
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    again = _error_of(lambda: store.add(batch))
    stored_again = len(store.get([one["id"] for one in batch]))
    store.close()
    _say({"error": error, "stored": stored, "searched": searched, "old": old, "again": again, "stored_again": stored_again})


def archive_beyond_the_disk(path: str, archive: str) -> None:
    """Archive, and rewrite what is archived, against a limit on the size of files, as the system sets it."""
    rng = Random(1)
    texts = {f"id{n}": f"{letters(n)} {rng.randbytes(5000).hex()}" for n in range(60)}
    with VectorManager(path, archive=archive) as store:
        store.add([Item(content, {}, id) for id, content in texts.items()])
        store.archive(["id0"])
        store.add([Item(texts["id1"], {}, "more")])
    with VectorManager(path, archive=archive, budget=Budget(max_items=60), settings=Settings(capacity=_AT_ONCE)) as store:
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        # The object of all of them is too large; that of a pass fits, but the log that lets them leave doesn't.
        errors = [_error_of(lambda: store.archive(list(texts))), _error_of(lambda: store.keeper.run(store.settings.capacity))]
        held = {item.id: item.content for item in store.get(list(texts))} == texts
        archived_ids = store.archived_ids()
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        archived = store.archive(list(texts))
        store.compact()
        held_again = {item.id: item.content for item in store.get(list(texts))} == texts
        found = [finding.what for finding in store.doctor()]
    _say({"errors": errors, "held": held, "before": archived_ids, "archived": archived, "held_again": held_again, "found": found})


_AT_ONCE = CapacitySettings(grace_seconds=0, archive_after_seconds=0)

ROLES: dict[str, Callable[..., None]] = {
    "zygote": zygote,
    "serve": serve,
    "forked": forked,
    "forked_holder": forked_holder,
    "killed_beside_fork": killed_beside_fork,
    "forked_while_opening": forked_while_opening,
    "writer_to_kill": writer_to_kill,
    "temporary_unclosed": temporary_unclosed,
    "as_nobody": as_nobody,
    "file_size_limit": file_size_limit,
    "archive_beyond_the_disk": archive_beyond_the_disk,
}
