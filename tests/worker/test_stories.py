"""Copies of audit records about a plan: signed by their worker, bounded, holding nothing up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from shared.audit import AuditLog, Record, walk
from shared.stores.connection import connect
from shared.stores.history import KEEP_HISTORY_S, KEEP_STORY_S, MAX_RECORDS
from shared.stories import Told, facts, read_told, told
from worker.keys import Keys
from worker.stories import copies

KEY = Ed25519PrivateKey.generate()


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(redis_url)
    yield client
    client.close()


def log_of(server: redis.Redis, folder: Path, keys: Keys) -> AuditLog:
    return AuditLog(folder, lambda: 1_800_000_000.5, None, copies(keys, server))


def story(server: redis.Redis, plan_id: str = "p") -> list[Told]:
    rows: Any = server.lrange(f"wk:story:{plan_id}", 0, -1)
    return [one for row in rows if (one := read_told(row)) is not None]


def test_the_copy_is_the_line_on_disk_and_signed(server: redis.Redis, tmp_path: Path) -> None:
    log = log_of(server, tmp_path, Keys(receipt=KEY))
    log.record("plan.denied", plan="p", iss="i", sub="ada")

    [line] = walk(log.path)
    [copy] = story(server)

    assert copy.record == line.record
    assert copy.holds("p", (KEY.public_key(),))


@pytest.mark.promise("timeline-is-workers-words")
def test_a_copy_that_was_changed_moved_or_signed_by_another_does_not_hold() -> None:
    record: Record = {"seq": 1, "event": "plan.denied", "plan": "p", "sub": "ada"}
    good, keys = told(KEY, record), (KEY.public_key(),)

    assert good.holds("p", keys)
    assert not good.holds("another", keys)
    assert not good.holds("p", ())
    assert not good.holds("p", (Ed25519PrivateKey.generate().public_key(),))
    assert not good.model_copy(update={"record": {**record, "sub": "eve"}}).holds("p", keys)


@pytest.mark.parametrize(
    ("keys", "kept"),
    [(Keys(seal=KEY), KEEP_STORY_S), (Keys(seal=KEY, receipt=KEY), KEEP_HISTORY_S)],
    ids=["planner", "applier"],
)
def test_a_request_alone_is_kept_no_longer_than_its_plan(
    server: redis.Redis, tmp_path: Path, keys: Keys, kept: int
) -> None:
    log_of(server, tmp_path, keys).record("plan.created", plan="p")

    assert kept - 5 <= int(str(server.ttl("wk:story:p"))) <= kept


def test_a_story_has_so_many_records(server: redis.Redis, tmp_path: Path) -> None:
    log = log_of(server, tmp_path, Keys(receipt=KEY))
    for number in range(MAX_RECORDS + 3):
        log.record("apply.object", plan="p", number=number)

    assert [one.record["number"] for one in story(server)][:1] == [3]
    assert len(story(server)) == MAX_RECORDS


@pytest.mark.parametrize(
    "fields",
    [{}, {"plan": ""}, {"plan": "a b"}, {"plan": "x" * 65}, {"plan": "p", "code": "no_such_plan"}],
    ids=["none", "empty", "no-id", "long", "unknown"],
)
def test_what_is_about_no_plan_is_not_copied(
    server: redis.Redis, tmp_path: Path, fields: dict[str, str]
) -> None:
    log_of(server, tmp_path, Keys(receipt=KEY)).record("proof.refused", **fields)

    assert server.keys("wk:story:*") == []


def test_a_worker_without_a_key_keeps_no_copies(server: redis.Redis) -> None:
    assert copies(Keys(), server) is None


def test_redis_that_is_away_holds_no_record_up(tmp_path: Path) -> None:
    away = connect(SecretStr("redis://127.0.0.1:1/0"), timeout_s=0.2)
    log = AuditLog(tmp_path, lambda: 0.0, None, copies(Keys(receipt=KEY), away))

    assert log.record("plan.denied", plan="p").seq == 1


def test_hashes_are_told_short_and_what_is_said_already_is_not_told_again() -> None:
    record: Record = {
        "seq": 4,
        "event": "proof.accepted",
        "plan": "p",
        "sub": "ada",
        "proof": "a" * 64,
        "code": "",
        "object": "Deployment/web",
    }

    assert facts(record) == ("proof aaaaaaaaaaaa…", "object Deployment/web")
