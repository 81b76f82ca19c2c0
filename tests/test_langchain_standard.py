"""LangChain's own suites, unmodified."""

from collections.abc import Iterator

import pytest
from langchain_core.documents import Document
from langchain_core.vectorstores import VectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests

from langchain_vectopt import VectOptRetriever, VectOptVectorStore


class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self) -> Iterator[VectorStore]:
        with VectOptVectorStore(self.get_embeddings()) as store:
            yield store


class TestVectorStoreOnFile(VectorStoreIntegrationTests):
    """The same on a named file."""

    @pytest.fixture
    def vectorstore(self, tmp_path) -> Iterator[VectorStore]:
        with VectOptVectorStore(self.get_embeddings(), path=tmp_path / "store.db") as store:
            yield store


class TestRetriever(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[VectOptRetriever]:
        return VectOptRetriever

    @property
    def retriever_constructor_params(self) -> dict:
        store = VectOptVectorStore(VectorStoreIntegrationTests.get_embeddings())
        store.add_documents([Document(f"document number {word}") for word in ("one", "two", "three", "four")])
        return {"vectorstore": store}

    @property
    def retriever_query_example(self) -> str:
        return "number three"
