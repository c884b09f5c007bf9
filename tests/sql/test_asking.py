"""Questions on the wire: a real worker's endpoint with an engine that repeats, without Ray."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from byzer_lab.cluster.runtime import Runtime
from byzer_lab.errors import EngineError
from byzer_lab.records import (
    ClusterRecord,
    DeploymentRecord,
    DeploymentSpec,
    Endpoint,
    Load,
    Route,
    StateSnapshot,
)
from byzer_lab.secrets import Redactor
from byzer_lab.sql.commands.running import Runner, Way
from byzer_lab.sql.commands.session import SqlSession
from byzer_lab.sql.models.ask import ClusterModels
from byzer_lab.sql.models.store import AnswerStore
from byzer_lab.types import Chunk, GenerateRequest, Usage
from byzer_lab.vectors import EmbedAnswer, EmbedRequest, RerankAnswer, RerankRequest
from byzer_lab.web import bind, make_app, make_server, url_of
from byzer_lab.workers.admission import Admission
from byzer_lab.workers.endpoint import worker_routes

SLOTS = 4


class RepeatingEngine:
    """Answers with what it was asked; refuses texts that say so."""

    def __init__(self) -> None:
        self.requests: list[GenerateRequest] = []
        self.most = self._now = 0

    def load(self, report: Any) -> None:
        """Nothing to load."""

    def meta(self) -> dict[str, Any]:
        return {}

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Chunk]:
        self.requests.append(request)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            await asyncio.sleep(0.005)
            text = request.messages[-1].text if request.messages else request.prompt or ""
            if "refuse" in text:
                raise EngineError("This engine refuses that.")
            for word in text.split(" "):
                yield Chunk(text=f"{word} ", tokens=1)
            yield Chunk(finish_reason="stop", usage=Usage(input_tokens=3, output_tokens=2))
        finally:
            self._now -= 1

    async def embed(self, request: EmbedRequest) -> EmbedAnswer:
        vectors = [struct.pack("<2f", len(text), 0.5) for text in request.texts]
        return EmbedAnswer(vectors, [1] * len(vectors), [False] * len(vectors), Usage())

    async def rerank(self, request: RerankRequest) -> RerankAnswer:
        scores = [float(len(passage)) for _, passage in request.pairs]
        return RerankAnswer(scores, [1] * len(scores), [False] * len(scores), Usage())

    async def close(self) -> None:
        """Nothing to free."""


@dataclass
class Gateway:
    """Knows one deployment."""

    url: str
    meta: dict[str, Any] = field(default_factory=dict)

    def state(self) -> StateSnapshot:
        spec = DeploymentSpec(name="m", worker_concurrency=SLOTS)
        record = DeploymentRecord(spec=spec, state="ready", meta=self.meta)
        cluster = ClusterRecord(address="")
        return StateSnapshot(epoch="e", rev=1, full=True, cluster=cluster, deployments=[record])

    def route(self, name: str) -> Route:
        return Route(deployment=name, state="ready", endpoints=[Endpoint("w", self.url)])


@dataclass
class Connection:
    """What the models ask a session for."""

    runtime: Runtime
    gateway: Gateway


@pytest.fixture
def engine() -> RepeatingEngine:
    return RepeatingEngine()


@pytest.fixture
def gateway(engine: RepeatingEngine) -> Iterator[Gateway]:
    admission = Admission("m", SLOTS, 1)
    ignore: Any = lambda *_: None  # noqa: E731
    serving: Any = engine  # it has no parameters to declare
    routes = worker_routes(serving, admission, ignore, ignore, Redactor([]), Load)
    listener = bind("127.0.0.1", 0)
    server = make_server(make_app(routes, "token"))
    run = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    run.start()
    yield Gateway(url_of(listener))
    server.should_exit = True
    run.join(10)


@pytest.fixture
def session(gateway: Gateway, tmp_path: Path) -> Iterator[SqlSession]:
    connection: Any = Connection(Runtime(url=gateway.url, token="token"), gateway)
    models = ClusterModels(lambda: connection)
    session = SqlSession(models, store=AnswerStore(tmp_path / "answers.db"))
    yield session
    session.close()


def rows(session: SqlSession, query: str) -> list[dict[str, Any]]:
    made = Runner(session, Way()).run(f"{query} as made;")
    found: list[dict[str, Any]] = session.engine.query(session.all_of(made)).to_pylist()
    return found


def test_texts(session: SqlSession, engine: RepeatingEngine) -> None:
    made = rows(
        session,
        "select id, m(concat('say ', id % 20)) as r from range(100)",
    )
    assert len(made) == 100
    assert len(engine.requests) == 20
    assert engine.most == SLOTS  # reached, and never passed: the worker has one waiting place
    [row] = rows(session, "select llm_result(m('say 3')) as a, llm_error(m('refuse')) as e")
    assert row == {"a": "say 3 ", "e": "This engine refuses that."}
    assert len(engine.requests) == 21


def test_vectors_and_scores(session: SqlSession) -> None:
    [row] = rows(session, "select llm_embed('m', 'abc') as v, llm_rerank('m', 'q', 'abcd') as s")
    assert row == {"v": [3.0, 0.5], "s": 4.0}


def test_role_words_are_for_models_without_a_template(
    session: SqlSession, engine: RepeatingEngine, gateway: Gateway
) -> None:
    ask = (
        "select m(llm_param(map('instruction', 'Hi', 'user_role', 'User:', "
        "'assistant_role', 'Assistant:', 'sample', '{}'))) as r"
    )
    rows(session, ask.format(1))
    assert engine.requests[-1].messages is not None
    gateway.meta["support_chat_template"] = False
    rows(session, ask.format(2))
    assert engine.requests[-1].messages is None
    assert engine.requests[-1].prompt == "User:Hi\nAssistant:"


def test_the_schema_travels_where_it_is_held(
    session: SqlSession, engine: RepeatingEngine, gateway: Gateway
) -> None:
    ask = "select llm_json('m', '{\"a\": 1}', 'a INT') as j, '%s' as x"
    [row] = rows(session, ask % 1)
    assert row["j"] is None or row["j"] == {"a": 1}
    assert engine.requests[-1].response_schema is None
    assert engine.requests[-1].messages is not None
    assert "fits this schema" in engine.requests[-1].messages[-1].text
    gateway.meta["structured_output"] = "constrained"
    [row] = rows(session, ask % 2)
    assert row["j"] == {"a": 1}
    schema = engine.requests[-1].response_schema
    assert schema is not None
    assert schema["properties"] == {"a": {"type": "integer"}}
