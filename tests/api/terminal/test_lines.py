"""What a terminal prints of a plan: all of it, and nothing in it that a terminal would obey."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.outline import outline
from api.terminal.believing import Opened
from api.terminal.lines import decision_lines, guarded, plan_lines, shown
from shared.digests import words
from shared.display import conceals
from shared.plans import Intent, Note, Plan, PlannedChange, Requester, RiskNote, SealedPlan
from tests.api.stage import NOW, make_object, make_plan

HOSTILE = "a\x1b[31mred\x9b2J\u202ebidi\u200bzero\r\nRISK: LOW\ttab\x07\U000e0041tag\u0430dmin"
UNSEEN = frozenset({"version", "salt"})
"""Fields that say nothing to a person: a format's number and random filling."""


def opened(plan: Plan) -> Opened:
    return Opened(plan=plan, digest=SealedPlan(document=plan.document(), seal="").digest)


def told(plan: Plan) -> list[str]:
    one = opened(plan)
    return [*plan_lines(one, now=NOW), *decision_lines(one)]


def hostile(value: Any) -> Any:
    """The same document with every free text replaced."""
    if isinstance(value, str):
        return f"{value}{HOSTILE}"
    if isinstance(value, Mapping):
        return {f"{key}{HOSTILE}": hostile(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [hostile(item) for item in value]
    return value


@pytest.mark.promise("terminal-text-is-visible")
def test_no_string_of_a_plan_steers_the_terminal_or_makes_a_line_of_its_own() -> None:
    body = {"metadata": {"name": "x", "labels": {"a": "b"}}, "data": {"k": "one\ntwo\x1b[0m"}}
    change = PlannedChange(
        path=f"data.k{HOSTILE}", op="change", old=hostile(body), new=hostile([body])
    )
    intent = Intent(verb="apply", body=hostile(body))
    planned = make_object(
        api_version=HOSTILE,
        kind=HOSTILE,
        name=HOSTILE,
        uid=HOSTILE,
        base_digest=HOSTILE,
        predicted_digest=HOSTILE,
        intent=intent,
        changes=(change,),
    )
    note = Note(code=HOSTILE, message=HOSTILE)
    plan = make_plan(
        id=HOSTILE,
        namespace=HOSTILE,
        summary=HOSTILE,
        reason=HOSTILE,
        policy_sha256=HOSTILE,
        objects=(planned,),
        findings=(note,),
        warnings=(HOSTILE,),
        managers=(HOSTILE,),
        risk=RiskNote(level="high", reasons=(note,)),
        cluster={"name": HOSTILE, "id": HOSTILE, "ca_sha256": HOSTILE},
        requester={
            "iss": HOSTILE,
            "sub": HOSTILE,
            "client_id": HOSTILE,
            "assurance": "gateway-asserted",
        },
    )

    lines = told(plan)

    for line in lines:
        assert not any(conceals(char) or char in "\n\t\r\x1b" for char in line), line
    assert not [line for line in lines if line.startswith("RISK: LOW")]
    text = "\n".join(lines)
    for mark in ("<U+001B>", "<U+009B>", "<U+202E>", "<U+200B>", "<U+000A>", "<U+E0041>"):
        assert mark in text
    assert "\u0430<U+0430>dmin" in text


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key not in UNSEEN:
                yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        yield value


@pytest.mark.promise("terminal-shows-all")
def test_every_text_of_a_plan_is_shown() -> None:
    objects = make_object(), make_object(name="second", uid=None)
    plan = make_plan(objects=objects, undoes="an-earlier-plan")

    text = "\n".join(told(plan))

    for leaf in leaves(plan.model_dump(mode="json")):
        if leaf not in {"gateway-asserted", "update"}:  # said in a sentence
            assert leaf in text
    assert "the worker did not see the requester's token" in text
    assert words(opened(plan).digest) in text


@pytest.mark.promise("terminal-shows-all")
def test_long_values_are_shown_to_their_last_line() -> None:
    old = "\n".join(f"line {number}" for number in range(3000))
    new = old.replace("line 1500\n", "line 1500 changed\n")
    change = PlannedChange(path="data.k", op="change", old=old, new=new)
    lines = told(make_plan(objects=(make_object(changes=(change,)),)))

    for side, value in (("-", old), ("+", new)):
        for line in outline(value):
            assert f"    {side} {line}" in lines or f"      {line}" in lines


def test_of_a_rollback_it_is_said_that_no_agent_asked() -> None:
    requester = Requester(
        iss="i", sub="ada", client_id="approval pages", assurance="pages-asserted"
    )

    text = "\n".join(told(make_plan(requester=requester, undoes="an-earlier-plan")))

    assert "the approval pages say so; no agent asked" in text


def test_reason_and_assurance_stand_apart_as_nobodys_word() -> None:
    text = "\n".join(told(make_plan(reason="please")))

    assert "(written by the agent, not verified)\n  > please" in text


@given(text=st.text(max_size=60))
@settings(max_examples=200)
def test_shown_is_one_line_of_harmless_characters(text: str) -> None:
    for line in (shown(text), guarded(text)):
        assert not any(conceals(char) or char in "\n\t" for char in line)


def test_ordinary_text_stays_as_it_is() -> None:
    for text in ("nginx: replicas 2 → 4", "Привет, мир", "日本語", "", "a=b"):
        assert shown(text) == text
