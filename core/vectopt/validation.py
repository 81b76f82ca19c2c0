"""PURE. What a caller hands in is checked here, whole calls at a time, before anything is changed."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal

from .errors import InvalidInput, InvalidItem, InvalidQuery
from .model import Change, Item, Priority, Tier
from .settings import Settings

PRIORITY_KEY = "vectopt_priority"
"""The metadata key by which a caller gives a priority."""

_MAX_DEPTH = 64
_MAX_TTL = 1e12  # seconds: what added to the time is still a time
_MAX_BITS = 14_000  # about 4,200 digits; Python refuses to read integers of more than 4,300
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def checked_namespace(namespace: object, settings: Settings) -> str:
    """Return a namespace; raises InvalidInput for anything but a name. Empty is never "all"."""
    if not isinstance(namespace, str) or not namespace:
        raise InvalidInput(f"namespace must be a string that isn't empty; got {namespace!r}")
    _checked_text(namespace, "namespace", InvalidInput)
    if len(namespace) > settings.max_id_chars:
        raise InvalidInput(f"namespace is {len(namespace)} characters long; {settings.max_id_chars} are the most")
    return namespace


def checked_items(items: Iterable[Item | Mapping[str, Any] | str], settings: Settings) -> list[tuple[Item, str]]:
    """Return the items, each with its metadata as JSON.

    Raises:
        InvalidItem: names the item's place in the call, its field and the fix.
    """
    if isinstance(items, (str, bytes, Mapping, Item)) or not isinstance(items, Iterable):
        raise InvalidItem(f"items must be a list of items; got one {type(items).__name__}. Put it into a list")
    checked, seen = [], set()
    for place, given in enumerate(items):
        item = _as_item(given, place)
        checked.append((item, _checked_item(item, place, settings)))
        if item.id is not None:
            if item.id in seen:
                raise InvalidItem(f"items[{place}].id: {item.id!r} stands twice in one call; give each item its own id")
            seen.add(item.id)
    return checked


@dataclass(frozen=True, slots=True)
class CheckedChange:
    """A `Change` with all that it holds checked; each item with its metadata as JSON."""

    namespace: str
    items: Sequence[tuple[Item, str]] = ()
    delete: Sequence[str] = ()
    replace: Sequence[str] = ()


def checked_changes(changes: Iterable[Change], settings: Settings) -> list[CheckedChange]:
    """Return changes with all that they hold checked.

    Raises:
        InvalidInput, InvalidItem: says what is wrong; nothing was changed.
    """
    if isinstance(changes, Change) or not isinstance(changes, Iterable):
        raise InvalidInput(f"changes must be a list of Change; got one {type(changes).__name__}. Put it into a list")
    checked: dict[str, CheckedChange] = {}
    for change in changes:
        if not isinstance(change, Change):
            raise InvalidInput(f"changes must be a list of Change; got {change!r}")
        name = checked_namespace(change.namespace, settings)
        if name in checked:
            raise InvalidInput(f"namespace {name!r} stands twice in one call; put all that changes in it into one Change")
        items, delete, replace = checked_items(change.items, settings), checked_ids(change.delete), checked_ids(change.replace, "replace")
        both = sorted({item.id for item, _ in items if item.id is not None} & set(delete))
        if both:
            raise InvalidInput(f"{both[0]!r} is to be stored and to be deleted in one call; do one of them")
        if "" in replace:
            raise InvalidInput("replace: every id begins with an empty string; to delete a whole namespace use delete_all")
        checked[name] = CheckedChange(name, items, delete, replace)
    return list(checked.values())


def _as_item(given: Item | Mapping[str, Any] | str, place: int) -> Item:
    if isinstance(given, Item):
        return given
    if isinstance(given, str):
        return Item(given)
    if isinstance(given, Mapping):
        try:
            return Item(**given)
        except TypeError as error:
            raise InvalidItem(f"items[{place}]: {error}; its keys are {', '.join(field.name for field in fields(Item))}") from None
    raise InvalidItem(f"items[{place}] is a {type(given).__name__}; give an Item, a dictionary or a string")


def _checked_item(item: Item, place: int, settings: Settings) -> str:
    where = f"items[{place}]"
    if not isinstance(item.content, str):
        raise InvalidItem(f"{where}.content is a {type(item.content).__name__}; give a string")
    size = _checked_text(item.content, f"{where}.content", InvalidItem)
    if size > settings.max_content_bytes:
        raise InvalidItem(f"{where}.content has {size} bytes; {settings.max_content_bytes} are the most. Split it into parts")
    if item.id is not None:
        if not isinstance(item.id, str) or not item.id:
            raise InvalidItem(f"{where}.id must be a string that isn't empty, or None for a new one; got {item.id!r}")
        _checked_text(item.id, f"{where}.id", InvalidItem)
        if len(item.id) > settings.max_id_chars:
            raise InvalidItem(f"{where}.id is {len(item.id)} characters long; {settings.max_id_chars} are the most")
    for name in ("ttl_seconds", "delete_after_seconds"):
        time = getattr(item, name)
        if time is not None and (isinstance(time, bool) or not isinstance(time, (int, float)) or not 0 < time < _MAX_TTL):
            raise InvalidItem(f"{where}.{name} must be a number above 0, and of this millennium; got {time!r}")
    if item.priority is not None:
        checked_priority(item.priority, f"{where}.priority")
    if not isinstance(item.metadata, Mapping):
        raise InvalidItem(f"{where}.metadata is a {type(item.metadata).__name__}; give a dictionary")
    if PRIORITY_KEY in item.metadata:
        checked_priority(item.metadata[PRIORITY_KEY], f"{where}.metadata[{PRIORITY_KEY!r}]")
    _check_json(item.metadata, f"{where}.metadata", 0)
    return _encode(item.metadata)


def checked_priority(priority: object, where: str) -> Priority:
    """Return a priority; raises InvalidItem for an unknown one."""
    try:
        return Priority(priority)  # type: ignore[arg-type]  # anything else is refused below
    except ValueError:
        raise InvalidItem(f"{where} must be one of {', '.join(Priority)}; got {priority!r}") from None


def _checked_text(text: str, where: str, kind: type[InvalidInput]) -> int:
    """Return the length in UTF-8 bytes; raises for lone surrogates, which no UTF-8 file can hold."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise kind(f"{where} has a lone surrogate at character {error.start}; encode with 'replace' or 'ignore' first") from None


def _check_json(value: object, where: str, depth: int) -> None:
    """Refuse what JSON would refuse or change, so that metadata comes back exactly as given."""
    if value is None or isinstance(value, bool):
        return
    kind = type(value)
    if kind is str:
        _checked_text(value, where, InvalidItem)  # type: ignore[arg-type]  # it is a str
    elif kind is float:
        if not math.isfinite(value):  # type: ignore[arg-type]  # it is a float
            raise InvalidItem(f"{where} is {value}; use None or a string")
    elif kind is int:
        if value.bit_length() > _MAX_BITS:  # type: ignore[attr-defined]  # it is an int
            raise InvalidItem(f"{where} has more digits than Python reads back; use a string")
    elif depth > _MAX_DEPTH:
        raise InvalidItem(f"{where} is nested deeper than {_MAX_DEPTH}")
    elif kind is list:
        for place, part in enumerate(value):  # type: ignore[arg-type, var-annotated]  # it is a list
            _check_json(part, f"{where}[{place}]", depth + 1)
    elif isinstance(value, Mapping) and (kind is dict or depth == 0):
        for key, part in value.items():
            if type(key) is not str:
                raise InvalidItem(f"{where} has the key {key!r}; keys must be strings")
            _checked_text(key, f"{where} key", InvalidItem)
            _check_json(part, f"{where}[{key!r}]", depth + 1)
    else:
        raise InvalidItem(
            f"{where} is a {kind.__name__}, which JSON can't give back as it is; use str, int, float, bool, None, list or dict"
        )


def checked_ids(ids: object, what: str = "ids") -> list[str]:
    """Return a list of ids; raises InvalidInput for anything else, a bare string above all."""
    if isinstance(ids, (str, bytes)) or not isinstance(ids, Iterable):
        raise InvalidInput(f"{what} must be a list of strings; got {ids!r}")
    result = list(ids)
    for id in result:
        if not isinstance(id, str):
            raise InvalidInput(f"{what} must be strings; got {id!r}")
    return [id for id in result if _is_storable(id)]


def _is_storable(id: str) -> bool:
    """An id that no file can hold is the id of no item."""
    return id.isascii() or id == id.encode("utf-8", "ignore").decode()


def checked_k(k: object, what: str = "k") -> int:
    """Return a positive whole number; raises InvalidQuery otherwise."""
    if isinstance(k, bool) or not isinstance(k, int) or k <= 0:
        raise InvalidQuery(f"{what} must be a whole number above 0; got {k!r}")
    return k


def checked_offset(offset: object) -> int:
    """Return a whole number of 0 or more; raises InvalidQuery otherwise."""
    if isinstance(offset, bool) or not isinstance(offset, int) or offset < 0:
        raise InvalidQuery(f"offset must be a whole number of 0 or more; got {offset!r}")
    return offset


def checked_tiers(tiers: object) -> frozenset[Tier] | None:
    """Return the tiers a search is held to, None for all."""
    if tiers is None:
        return None
    given = [tiers] if isinstance(tiers, str) else tiers
    if not isinstance(given, Iterable):
        raise InvalidQuery(f"tiers must be a list of {', '.join(Tier)}; got {tiers!r}")
    try:
        result = frozenset(Tier(tier) for tier in given)
    except ValueError:
        raise InvalidQuery(f"tiers must be among {', '.join(Tier)}; got {tiers!r}") from None
    if not result:
        raise InvalidQuery("tiers is empty; leave it out to search all of them")
    if Tier.ARCHIVED in result:
        raise InvalidQuery("archived items are in no index: search them with search_archived, or restore them first")
    return result


def checked_query(text: object) -> str:
    """Return a query's text; raises InvalidQuery for what isn't text."""
    if not isinstance(text, str):
        raise InvalidQuery(f"the query must be a string or a vector; got {type(text).__name__}")
    _checked_text(text, "query", InvalidQuery)
    return text


def checked_mode(mode: object, *, by_vector: bool) -> Literal["hybrid", "dense", "lexical"]:
    """Return a search's mode; raises InvalidQuery for an unknown one, and for words asked of a vector."""
    if by_vector:
        if mode == "lexical":
            raise InvalidQuery('mode="lexical" needs a text; the query is a vector')
        return "dense"
    modes: tuple[Literal["hybrid", "dense", "lexical"], ...] = ("hybrid", "dense", "lexical")
    for known in modes:
        if mode == known:
            return known
    raise InvalidQuery(f'mode must be "hybrid", "dense" or "lexical"; got {mode!r}')


def checked_share(value: object, what: str) -> float:
    """Return a number in 0..1; raises InvalidQuery otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise InvalidQuery(f"{what} must be in 0..1; got {value!r}")
    return float(value)
