"""Embeddings avoided: of texts that were left without a vector, or that share another's."""

from __future__ import annotations

from .transaction import Transaction


def note(tx: Transaction, namespace: str, tokens: int) -> None:
    """Count an embedding that is not made, and the tokens it would have taken."""
    tx.count(namespace, "embeddings_avoided")
    tx.count(namespace, "tokens_avoided", tokens)


def take_back(tx: Transaction, slot: int, namespace: str) -> None:
    """Count it no longer, as the cached text is queued after all; nothing to take back where it lost a vector, or kept a sketch."""
    lost = tx.db.execute(
        "SELECT source IN ('persistent', 'temp') FROM move WHERE slot = ? AND target = 'cached' ORDER BY move DESC LIMIT 1", (slot,)
    ).fetchone()
    if (lost is not None and lost[0]) or tx.db.execute("SELECT 1 FROM sketch WHERE slot = ?", (slot,)).fetchone():
        return
    tx.count(namespace, "embeddings_avoided", -1)
    tx.count(namespace, "tokens_avoided", -tx.db.execute("SELECT tokens FROM slot WHERE slot = ?", (slot,)).fetchone()[0])
