"""An agent's uses: looking things up, remembering for a user, keeping users and sessions apart. The model follows a script."""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.tools import ToolRuntime
from langchain_core.documents import Document
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.prompts import PromptTemplate
from langchain_core.tools import create_retriever_tool, tool
from langgraph.store.base import PutOp, SearchOp

from langchain_vectopt import Budget, VectOptRetriever, VectOptStore, VectOptVectorStore
from vectopt import Change, Item, VectorManager

from .fakes import FakeClock, HashEmbedder


class Scripted(GenericFakeChatModel):
    """Says what its script says, whatever it is asked."""

    def bind_tools(self, tools: Sequence[Any], **kwargs: Any) -> "Scripted":
        return self


def following(*script: AIMessage | str) -> Scripted:
    return Scripted(messages=iter(script))


def calling(name: str, **arguments: Any) -> AIMessage:
    return AIMessage("", tool_calls=[{"name": name, "args": arguments, "id": f"call-{name}"}])


def told(answer: dict[str, Any]) -> list[ToolMessage]:
    """What the tools answered."""
    return [message for message in answer["messages"] if isinstance(message, ToolMessage)]


@pytest.fixture
def manager() -> Iterator[VectorManager]:
    with VectorManager(embedder=HashEmbedder(), clock=FakeClock()) as manager:
        yield manager


class TestLookingUp:
    @pytest.fixture
    def store(self, manager: VectorManager) -> VectOptVectorStore:
        store = VectOptVectorStore(manager=manager)
        facts = ["The office cat is called Basalt", "The printer is on floor 3", "Invoices are paid on Fridays"]
        store.add_documents([Document(fact, id=f"f{n}", metadata={"page": n}) for n, fact in enumerate(facts)])
        return store

    def test_an_agent_finds_what_it_asks_for(self, store: VectOptVectorStore) -> None:
        tool = create_retriever_tool(store.as_retriever(search_kwargs={"k": 1}), "facts", "Facts about the office.")
        agent = create_agent(following(calling("facts", query="cat office called"), "It is called Basalt."), [tool])
        answer = agent.invoke({"messages": [("user", "What is the cat called?")]})
        assert [message.content for message in told(answer)] == ["The office cat is called Basalt"]
        assert answer["messages"][-1].content == "It is called Basalt."

    async def test_it_does_so_on_the_loop(self, store: VectOptVectorStore) -> None:
        tool = create_retriever_tool(
            VectOptRetriever(vectorstore=store, k=2, filter={"page": {"$gte": 1}}),
            "facts",
            "Facts about the office.",
            document_prompt=PromptTemplate.from_template("p. {page}: {page_content}"),
            document_separator=" | ",
            response_format="content_and_artifact",
        )
        agent = create_agent(following(calling("facts", query="printer floor"), "Floor 3."), [tool])
        answer = told(await agent.ainvoke({"messages": [("user", "Where is the printer?")]}))[0]
        assert set(answer.content.split(" | ")) == {"p. 1: The printer is on floor 3", "p. 2: Invoices are paid on Fridays"}
        assert {document.id for document in answer.artifact} == {"f1", "f2"}

    def test_what_is_deleted_is_not_found_in_the_next_turn(self, store: VectOptVectorStore) -> None:
        tool = create_retriever_tool(store.as_retriever(search_kwargs={"k": 3}), "facts", "Facts about the office.")
        agent = create_agent(following(calling("facts", query="cat"), "Basalt", calling("facts", query="cat"), "No idea"), [tool])
        first = told(agent.invoke({"messages": [("user", "The cat?")]}))[0].content
        store.delete(["f0"])
        second = told(agent.invoke({"messages": [("user", "The cat?")]}))[0].content
        assert ("Basalt" in first, "Basalt" in second) == (True, False)


@dataclass
class User:
    name: str


@tool
def remember(fact: str, runtime: ToolRuntime[User]) -> str:
    """Remember a fact about the user."""
    runtime.store.put(("users", runtime.context.name), fact, {"text": fact})
    return "remembered"


@tool
async def recall(about: str, runtime: ToolRuntime[User]) -> str:
    """Recall what is known of the user."""
    found = await runtime.store.asearch(("users", runtime.context.name), query=about)
    return "; ".join(item.value["text"] for item in found)


async def test_an_agent_remembers_each_user_alone(manager: VectorManager) -> None:
    store = VectOptStore(manager=manager, index={"fields": ["text"]})
    asking = calling("recall", about="tea")
    script = following(calling("remember", fact="drinks tea without milk"), "Noted.", asking, "Tea.", asking, "?")
    agent = create_agent(script, [remember, recall], store=store, context_schema=User)
    answers = [told(await agent.ainvoke({"messages": [("user", "...")]}, context=User(name)))[0].content for name in ("ada", "ada", "Ada")]
    assert answers == ["remembered", "drinks tea without milk", ""]


def look_alikes() -> list[str]:
    """A thousand names of which some code takes one for another."""
    seeds = ["a", "default", "user", "None", "null", "0", "langgraph:a", "users", "é", "ﬁ", "ß", "İ", "K", "京都", "🗝️"]
    marks = ["", "/", "%", "_", "*", "?", " ", "\t", "\n", "\x00", ".", ":", "-", "'", '"', "\\", ";--", "\u200b", "\u0301", "\ufeff"]
    forms = [str, str.upper, str.title, lambda name: unicodedata.normalize("NFD", name), lambda name: unicodedata.normalize("NFKC", name)]
    every = dict.fromkeys(form(text) for seed in seeds for mark in marks for form in forms for text in (seed + mark, mark + seed))
    return list(every)[:1000]


def test_a_thousand_names_that_look_alike_are_a_thousand_users(tmp_path: Path) -> None:
    names = look_alikes()
    assert len(set(names)) == 1000
    with VectorManager(tmp_path / "store.db", embedder=HashEmbedder()) as manager:
        stores = [VectOptVectorStore(manager=manager, namespace=name) for name in names]
        secret = "my secret, as everybody's"
        manager.write([Change(name, [Item(secret, {"of": number}, "same", [1.0] * 16)]) for number, name in enumerate(names)])
        for number, store in enumerate(stores):
            found = store.similarity_search("secret", k=3)
            assert [(document.id, document.metadata) for document in found] == [("same", {"of": number})]
        for store in stores[::10]:
            store.delete(["same"])
        for store in stores[5::10]:
            store.delete(delete_all=True)
        assert [len(store.get_by_ids(["same"])) for store in stores] == [number % 5 > 0 for number in range(1000)]


def test_a_thousand_labels_that_look_alike_are_a_thousand_memories() -> None:
    labels = [name for name in look_alikes() if name and "." not in name and "\x00" not in name]
    assert len(labels) > 850
    with VectOptStore() as store:
        store.batch([PutOp((label,), "k", {"of": number}) for number, label in enumerate(labels)])
        found = store.batch([SearchOp((label,)) for label in labels])
        assert [[item.value["of"] for item in items] for items in found] == [[number] for number in range(len(labels))]
        assert len(store.list_namespaces(limit=2000)) == len(labels)


class TestSessions:
    """A namespace for each session of each user, in one file and under one budget."""

    def test_they_share_the_budget_and_nothing_else(self) -> None:
        with VectorManager(embedder=HashEmbedder(), budget=Budget(max_vectors=5)) as manager:
            for user in ("ada", "bob"):
                for session in ("1", "2"):
                    store = VectOptVectorStore(manager=manager, namespace=f"{user}/{session}")
                    store.add_texts([f"{user} said {n} in session {session}" for n in range(5)])
            assert manager.stats().vectors <= 5
            for user in ("ada", "bob"):
                found = VectOptVectorStore(manager=manager, namespace=f"{user}/1").similarity_search("said", k=50)
                assert {document.page_content for document in found} == {f"{user} said {n} in session 1" for n in range(5)}

    def test_one_is_forgotten_without_the_others(self, manager: VectorManager) -> None:
        for session in ("1", "10"):
            VectOptVectorStore(manager=manager, namespace=f"ada/{session}").add_texts(["something private"], ids=["p"])
        VectOptVectorStore(manager=manager, namespace="ada/1").delete(delete_all=True)
        assert manager.stats().namespaces == ("ada/10",)
