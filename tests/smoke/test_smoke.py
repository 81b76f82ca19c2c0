"""What must work in a fresh installation, away from the checkout."""

import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest


@pytest.mark.parametrize("package", ["vectopt", "langchain_vectopt", "llama_index_vectopt"])
def test_packages_import_and_are_typed(package: str) -> None:
    __import__(package)
    assert files(package).joinpath("py.typed").is_file()


def test_an_item_is_found_again(tmp_path: Path) -> None:
    from vectopt import VectorManager

    with VectorManager(tmp_path / "store.db") as manager:
        ids = manager.add(["the harbour lies east of the old town"])
    with VectorManager(tmp_path / "store.db") as manager:
        assert [hit.id for hit in manager.search("harbour", 1)] == ids


def test_langchain_store_with_the_local_embedder() -> None:
    from langchain_vectopt import VectOptVectorStore
    from vectopt import VectorManager
    from vectopt.embedding.local import LocalEmbedder

    with VectorManager(embedder=LocalEmbedder()) as manager:
        store = VectOptVectorStore(manager=manager)
        store.add_texts(["cats sleep most of the day", "the stock market fell"], ids=["cats", "stocks"])
        assert [document.id for document in store.similarity_search("a kitten napping", k=1, mode="dense")] == ["cats"]


def test_langgraph_store() -> None:
    from langchain_vectopt import VectOptStore

    with VectOptStore() as store:
        store.put(("users", "ada"), "tea", {"text": "drinks tea without milk"})
        assert store.search(("users",), query="tea")[0].value == {"text": "drinks tea without milk"}


def test_the_command_answers() -> None:
    command = Path(sys.executable).with_name("vectopt")
    done = subprocess.run([command, "--help"], capture_output=True, text=True, check=True, timeout=60)
    assert "ingest" in done.stdout


def test_the_core_needs_no_extra() -> None:
    """Importing the core imports no framework and no optional package."""
    optional = ("langchain_core", "langgraph", "llama_index.core", "wordllama", "typer", "rich", "openai", "pinecone")
    code = f"import sys, vectopt; print([name for name in {optional} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
