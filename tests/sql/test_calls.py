"""How often a model is asked: what the query's logic needs, and no more."""

from __future__ import annotations

from typing import Any

import pytest

from byzer_lab.errors import ByzerLabError, InvalidRequestError
from byzer_lab.sql.language.places import Position, ScriptError
from tests.sql.conftest import Lab


@pytest.fixture
def thousand(lab: Lab) -> Lab:
    lab.names["t"] = [{"i": i, "p": f"p{i % 10}", "u": f"u{i}"} for i in range(1000)]
    return lab


@pytest.mark.parametrize(
    ("query", "calls", "rows"),
    [
        ("select m(p), m(p) from t", 10, 1000),
        ("select m(p) from t where llm_result(m(p)) = 'P3'", 10, 100),
        ("with q as (select i, llm_result(m(p)) a from t) select * from q where a = 'P1'", 10, 100),
        ("select i from t where llm_result(m(u)) = 'U1' and i % 100 = 1", 10, 1),
        ("select m(u) from t limit 5", 5, 5),
        ("select m(u) from t order by i desc limit 5", 5, 5),
        ("select u, m(u) from t where i > 5 order by i limit 5", 5, 5),
        ("select case when i < 10 then m(u) end as a from t", 10, 1000),
        ("select if(i < 10, m(u), null) as a from t", 10, 1000),
        ("select case when i < 5 then m(u) when i < 7 then m(p) else 'x' end as a from t", 7, 1000),
        ("select coalesce(case when i > 9 then 'x' end, m(u)) as a from t", 10, 1000),
        ("select i from t where i < 10 or llm_result(m(u)) = 'U500'", 990, 11),
        ("select i from t where i < 10 and (i < 5 or llm_result(m(u)) = 'U7')", 5, 6),
        (
            "select a.i from t a join t b on a.i = b.i "
            "where llm_result(m(a.p)) = 'P1' and b.i < 20",
            10,
            2,
        ),
        ("select a.i from t a join t b on a.i = b.i and llm_result(m(a.u)) = 'U1' "
         "where b.i < 20", 20, 1),
        ("select a.u, m(b.u) from t a join t b on a.i = b.i order by a.i limit 3", 3, 3),
        ("select *, m(u) as a from t limit 3", 3, 3),
        ("select llm_result(m(p)) as a, count(*) as c from t group by 1", 10, 10),
        ("select llm_result(m(p)) as a, count(*) as c from t group by a", 10, 10),
        ("select p, llm_result(m(max(u))) as a from t group by p order by p limit 2", 2, 2),
        ("select p, count(*) as c from t group by p having llm_result(m(p)) = 'P1'", 10, 1),
        ("select count(case when llm_result(m(p)) = 'P1' then 1 end) as c from t", 10, 1),
        ("select distinct llm_result(m(p)) as a from t order by a limit 3", 10, 3),
        ("select i from t order by llm_result(m(p)), i limit 3", 10, 3),
        ("with q as (select i, m(u) as a from t) select * from q where i < 5", 5, 5),
        ("select * from (select i as j, m(u) as a from t) q where q.j < 5 and a is not null", 5, 5),
        ("select a from (select *, m(u) as a from t) where i < 5 and p <> 'p1'", 4, 4),
        ("select * from (select u, m(u) as a from t) limit 4", 4, 4),
        ("with q as (select i, m(p) as a from t) select x.i from q x join q y on x.i = y.i "
         "where x.i < 3", 10, 3),
        ("select t.i, q.a from t left join (select i, m(p) as a from t) q on t.i = q.i "
         "where t.i < 2", 10, 2),
        ("select count(*) as c from (select u, m(p) as a from t) limit 1", 10, 1),
        ("select i from (select i, m(p) as a, row_number() over (order by i) as n from t) "
         "where n < 3", 10, 2),
        ("select m('hello') as a", 1, 1),
        ("select llm_result(m('a')) as a union all select llm_result(m(p)) from t", 11, 1001),
        ("select i from t where upper(p) in (select llm_result(m(p)) from t where i < 3)", 3, 300),
        ("select other(llm_result(m(p))) as a from t", 20, 1000),
        ("select m(cast(null as string)) as a from t", 0, 1000),
        ("select i, m(lag(u) over (order by i)) as a from t order by i limit 3", 2, 3),
        ("select llm_result(m(p)) as a, length(a) as n from t", 10, 1000),
    ],
)  # fmt: skip
def test_questions_of_a_query(thousand: Lab, query: str, calls: int, rows: int) -> None:
    assert len(thousand.run(f"{query} as made;")) == rows
    assert thousand.models.calls == calls
    assert max(thousand.models.asked.values(), default=1) == 1


def test_tables_that_hold_answers_are_made_once(thousand: Lab) -> None:
    thousand.run("select i, llm_result(m(p)) as a from t as one;")
    thousand.run("select *, length(a) as n from one as two; select max(n) as n from two as three;")
    thousand.run("select * from one as shown; select count(*) as c from two as shown;")
    assert thousand.models.calls == 10


def test_answers_are_the_rows_own(thousand: Lab) -> None:
    rows = thousand.run("select p, llm_result(m(p)) as a from t order by i as made;")
    assert all(row["a"] == row["p"].upper() for row in rows)
    assert [row["p"] for row in rows[:3]] == ["p0", "p1", "p2"]  # the order holds


def test_values_that_change_are_asked_as_they_are_shown(lab: Lab) -> None:
    """A row's own random value is what its model sees."""
    lab.names["t"] = [{"i": i} for i in range(20)]
    rows = lab.run("select v, llm_result(m(v)) as a from (select uuid() as v from t) as made;")
    assert [row["a"] for row in rows] == [row["v"].upper() for row in rows]
    assert lab.models.calls == 20


def test_conditions_of_where_see_each_others_rows(thousand: Lab) -> None:
    thousand.run(
        "select i from t where llm_result(m(p)) = 'P1' and llm_result(other(u)) = 'U11' as made;"
    )
    assert thousand.models.calls == 10 + 100


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("select transform(array(p), x -> m(x)) as a from t", "inside a lambda"),
        ("select m(p, u) as a from t", "takes one argument"),
        ("select llm_json(p, p, 'a INT') as a from t", "must be a text that stands there"),
        ("select llm_json('m', p) as a from t", "llm_json(model, prompt, schema)"),
        ("select llm_json('nobody', p, 'a INT') as a from t", "no deployment 'nobody'"),
        ("select * from t left join t b on m(t.p) = m(b.p)", "condition of a LEFT JOIN"),
        ("select nobody(p) as a from t", "nobody"),
    ],
)
def test_what_can_not_be_asked(thousand: Lab, query: str, says: str) -> None:
    with pytest.raises(ByzerLabError) as caught:
        thousand.run(f"{query} as made;")
    assert says in caught.value.message
    assert thousand.models.calls == 0
    assert thousand.session.tables.names() == []


@pytest.mark.parametrize(
    ("query", "column", "says"),
    [
        ("select transform(array(p), x -> m(x)) as a from t", 33, "inside a lambda"),
        ("select * from t left join t b on m(t.p) = b.p", 34, "condition of a LEFT JOIN"),
        (
            "with recursive r as (select 1 as n) select m(cast(n as string)) from r",
            44,
            r"recursive WITH \(`r`\)",
        ),
        ("select (select max(m(b.u)) from t b where b.i = t.i) as a from t", 20, "`t.i`"),
        ("select i from t where exists (select 1 from o where m(name) = '' and k = i)", 53, "`i`"),
    ],
)
def test_places_of_calls_that_can_not_be_asked(
    thousand: Lab, query: str, column: int, says: str
) -> None:
    thousand.names["o"] = [{"k": 1, "name": "n"}]
    with pytest.raises(ScriptError, match=says) as caught:
        thousand.run(f"\n{query} as made;")
    assert caught.value.at == Position(2, column)
    assert thousand.models.calls == 0


@pytest.mark.parametrize(
    "query",
    [
        "select i from t where exists (select 1 from o where llm_result(m(name)) = 'N1') limit 1",
        "select t.i, (select max(llm_result(m(b.u))) from t b) as a from t limit 1",
        "select (select llm_result(m(q.v)) from (select max(u) as v from t) q) as b",
        "with c as (select llm_result(m(name)) as a from o) select (select max(m(a)) from c) y",
    ],
)
def test_queries_inside_that_stand_alone(thousand: Lab, query: str) -> None:
    thousand.names["o"] = [{"k": 1, "name": "n1"}]
    [row] = thousand.run(f"{query} as made;")
    assert None not in row.values()


def test_no_name_of_a_column_is_in_the_way(lab: Lab) -> None:
    lab.names["t"] = [
        {"a": f"a{i}", "request": f"r{i}", "answer": f"n{i}", "error": f"e{i}", "kept": i}
        for i in range(3)
    ]
    for name in ("a", "request", "answer", "error"):
        rows = lab.run(
            f"select kept, max(llm_result(m({name}))) as b from t where "
            f"llm_result(other({name})) = upper({name}) group by kept order by kept as made;"
        )
        assert [row["b"] for row in rows] == [f"{'n' if name == 'answer' else name[0]}{i}".upper()
                                              for i in range(3)]  # fmt: skip


def test_conditions_of_groups(thousand: Lab) -> None:
    rows = thousand.run(
        "select p, llm_result(other(p)) as o, count(*) as c, llm_result(m(p)) as a from t "
        "group by p having llm_result(m(p)) in ('P1', 'P2') and a <> 'P2' and count(*) > 1 "
        "order by p limit 5 as made;"
    )
    assert rows == [{"p": "p1", "o": "P1", "c": 100, "a": "P1"}]
    assert thousand.models.calls == 10 + 1  # the other model sees the group that is left


@pytest.mark.parametrize(
    "value", ["rand()", "uuid()", "shuffle(array(1, 2, 3))", "unix_timestamp()", "now()"]
)
def test_what_changes_is_kept(thousand: Lab, value: str) -> None:
    thousand.run(f"select i, {value} as v from t as made;")
    assert thousand.plan == ["made: kept, because it would not give the same rows twice"]
    thousand.run("select i, unix_timestamp('2024-01-01') as v from t as made;")
    assert thousand.plan[-1] == "made: a view, no model is called"


def requests(lab: Lab) -> list[dict[str, Any]]:
    return [{m.role: m.text for m in question.messages} for question in lab.models.questions]


def test_every_key_of_a_request_takes_effect(lab: Lab) -> None:
    lab.run("""
        select m(llm_param(map(
            "user_role", "User",
            "assistant_role", "Assistant",
            "system_msg", 'You are helpful.',
            "temperature", "0.1",
            "max_length", "5",
            "instruction", llm_prompt('Remember: {0} and {1}', array("Zhu", "{0}"))
        ))) as q
        as q1;
    """)
    [question] = lab.models.questions
    assert requests(lab) == [{"system": "You are helpful.", "user": "Remember: Zhu and {0}"}]
    assert (question.sampling.temperature, question.sampling.max_tokens) == (0.1, 5)
    assert question.roles == ("User", "Assistant")


def test_conversations_go_on(lab: Lab) -> None:
    lab.run("select m(llm_param(map('instruction', 'one'))) as q as q1;")
    lab.run("select m(llm_stack(q, llm_param(map('instruction', 'two')))) as q from q1 as q2;")
    rows = lab.run("select llm_response_predict(q) as a from q2 as q3;")
    assert rows == [{"a": "TWO"}]
    texts = [message.text for message in lab.models.questions[-1].messages]
    assert texts == ["one", "ONE", "two"]
    assert lab.models.calls == 2


def test_a_wrong_parameter_is_the_rows_own_error(lab: Lab) -> None:
    rows = lab.run(
        "select m(llm_param(map('instruction', 'a', 'temprature', '1'))) as q as q1;"
        "select llm_error(q) as e, llm_result(q) as r from q1 as q2;"
    )
    assert "temprature" in rows[0]["e"]
    assert rows[0]["r"] is None
    assert lab.models.calls == 0


def test_chat_cells(lab: Lab) -> None:
    lab.run("--%chat\n--%model=m\n--%system_msg=be brief\n--%output=o1\n\nit's one; \\n '''two'''")
    lab.run("--%chat\n--%model=m\n--%input=o1\n--%output=o2\n\nnext")
    assert lab.said[-1] == "NEXT"
    assert requests(lab)[0] == {"system": "be brief", "user": "it's one; \\n '''two'''"}
    assert len(lab.models.questions[-1].messages) == 3


def test_refusals_are_invalid_requests(lab: Lab) -> None:
    with pytest.raises(InvalidRequestError, match="no table 'nowhere'"):
        lab.run("select m(p) from nowhere as a;")
