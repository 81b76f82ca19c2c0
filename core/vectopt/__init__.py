"""vectopt: the vector store that keeps itself small."""

from .analysis import PatternEngine
from .compression import PatternCluster
from .compressor import CompressionResult, PatternCompressor
from .errors import VectoptError
from .filters import compiled as compile_filter
from .manager import VectorManager
from .model import (
    Action,
    And,
    Comparator,
    Comparison,
    CompressionReport,
    ContentAnalysis,
    DeadLetter,
    Decision,
    DrainReport,
    Event,
    Explanation,
    Filter,
    Hit,
    Item,
    Move,
    Not,
    Or,
    Pattern,
    PatternType,
    Priority,
    ProcessResult,
    Stats,
    Status,
    StoredItem,
    Tier,
    WhyNot,
)  # fmt: skip
from .protocols import AsyncEmbedder, Clock, Embedder, Observer
from .settings import Budget, MergingSettings, QueueSettings, SearchSettings, Settings, StorageSettings, StrategySettings, TempSettings

__version__ = "0.1.0"

__all__ = [
    "Action",
    "And",
    "AsyncEmbedder",
    "Budget",
    "Clock",
    "Comparator",
    "Comparison",
    "CompressionReport",
    "CompressionResult",
    "ContentAnalysis",
    "DeadLetter",
    "Decision",
    "DrainReport",
    "Embedder",
    "Event",
    "Explanation",
    "Filter",
    "Hit",
    "Item",
    "MergingSettings",
    "Move",
    "Not",
    "Observer",
    "Or",
    "Pattern",
    "PatternCluster",
    "PatternCompressor",
    "PatternEngine",
    "PatternType",
    "Priority",
    "ProcessResult",
    "QueueSettings",
    "SearchSettings",
    "Settings",
    "Stats",
    "Status",
    "StorageSettings",
    "StoredItem",
    "StrategySettings",
    "TempSettings",
    "Tier",
    "VectoptError",
    "VectorManager",
    "WhyNot",
    "compile_filter",
]  # fmt: skip
