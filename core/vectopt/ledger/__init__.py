"""TRUTH. The one record of every item, whatever its tier: a SQLite file. All SQL is in this folder."""

from .ledger import Ledger
from .transaction import Transaction

__all__ = ["Ledger", "Transaction"]
