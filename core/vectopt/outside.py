"""A store outside, as one file uses it: whose vectors are where, and under which keys."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from .errors import InvalidSettings, OutsideMismatch
from .ledger import Ledger, Transaction, outside, records
from .model import Capabilities, Vector
from .protocols import VectorStore
from .stores.keys import INSTANCE_BITS, copy_of, key_of, prefix_of


@dataclass(frozen=True, slots=True)
class Outside:
    """A store outside, as one file uses it."""

    store: VectorStore
    instance: int

    def key(self, copy: int) -> str:
        """Return the key of a copy."""
        return key_of(self.instance, copy)

    @property
    def prefix(self) -> str:
        """How all keys of this file begin."""
        return prefix_of(self.instance)

    def copies(self, found: Mapping[str, Vector | None]) -> dict[int, Vector | None]:
        """Return what a store found, by copy; keys of others are passed over."""
        numbers = {key: copy_of(self.instance, key) for key in found}
        return {number: found[key] for key, number in numbers.items() if number is not None}


def attached(ledger: Ledger, store: VectorStore) -> Outside:
    """Bind a file to the store that holds its vectors.

    Raises:
        InvalidSettings: it is no store.
        OutsideMismatch: the file's vectors are in another one.
    """
    calls = ("upsert", "delete", "fetch", "query", "keys")
    if not isinstance(getattr(store, "capabilities", None), Capabilities) or not all(callable(getattr(store, one, None)) for one in calls):
        raise InvalidSettings(f"store must be a VectorStore: {', '.join(calls)}, name and capabilities; got {store!r}")
    if not isinstance(store.name, str) or not store.name:
        raise InvalidSettings(f"the store's name must be a text that says where the vectors go; got {store.name!r}")

    def bind(tx: Transaction) -> str:
        known = records.meta(tx.db, "outside")
        if known not in (None, store.name) and outside.held_anywhere(tx.db):
            raise OutsideMismatch(f"the vectors of {ledger.path} are in {known!r}, not in {store.name!r}; open it with that store")
        records.set_meta(tx, "outside", store.name)
        instance = records.meta(tx.db, "instance")
        if instance is None:
            instance = uuid.uuid4().hex
            records.set_meta(tx, "instance", instance)
        return str(instance)

    with ledger.reading() as db:
        known, instance = records.meta(db, "outside"), records.meta(db, "instance")
    if instance is None or known != store.name:
        instance = ledger.write(bind)
    return Outside(store, instance_of(instance))


def instance_of(name: str) -> int:
    """Return the number of a file in its keys: of its own name, as much as they hold."""
    return int(name[: INSTANCE_BITS // 4], 16)
