"""LangGraph's namespaces and keys as vectopt's namespaces and ids, and back: no two of theirs are one of ours."""

from __future__ import annotations

from collections.abc import Sequence

from langgraph.store.base import InvalidNamespaceError, MatchCondition

ROOT = "langgraph:"
"""What the namespaces of all graph stores begin with: documents may lie in the same file, unseen from here."""

Labels = tuple[str, ...]


def name_of(labels: Sequence[str]) -> str:
    """Return the namespace for a path of labels; those have no dots, so that no two paths are written alike.

    Raises:
        InvalidNamespaceError: there is no label, or one that isn't a string, is empty or has a dot.
    """
    if not labels:
        raise InvalidNamespaceError("Namespace cannot be empty.")
    return beginning_of(labels)


def beginning_of(labels: Sequence[str]) -> str:
    """Return what the namespaces under a path begin with, the one of the path itself among them; others may begin so too.

    Raises:
        InvalidNamespaceError: a label isn't a string, is empty or has a dot.
    """
    for label in labels:
        if not isinstance(label, str) or not label or "." in label:
            raise InvalidNamespaceError(f"Namespace labels must be strings that aren't empty and have no dots; got {label!r} in {labels}")
    return ROOT + ".".join(labels)


def labels_of(name: str) -> Labels:
    """Return the path of labels that a namespace is for."""
    return tuple(name.removeprefix(ROOT).split("."))


def within(name: str, prefix: Sequence[str]) -> bool:
    """Tell whether a namespace is at or under a path."""
    return labels_of(name)[: len(prefix)] == tuple(prefix)


def fits(labels: Labels, condition: MatchCondition) -> bool:
    """Tell whether a path begins or ends as a condition says; `*` stands for any one label.

    Raises:
        ValueError: the condition is of an unknown type.
    """
    path = condition.path
    if condition.match_type not in ("prefix", "suffix"):
        raise ValueError(f"match_type must be 'prefix' or 'suffix'; got {condition.match_type!r}")
    if len(labels) < len(path):
        return False
    part = labels[: len(path)] if condition.match_type == "prefix" else labels[len(labels) - len(path) :]
    return all(wanted in ("*", label) for wanted, label in zip(path, part, strict=True))


def ids_begin(key: str) -> str:
    """Return what the ids of a key's parts begin with, and no other key's: it tells how long the key is."""
    return f"{len(key)}:{key}:"


def id_of(key: str, part: int = 0) -> str:
    """Return the id of one of a key's parts; the first one stands for the whole."""
    return f"{ids_begin(key)}{part}"


def key_of(id: str) -> str:
    """Return the key that an id is a part of."""
    length, _, rest = id.partition(":")
    return rest[: int(length)]
