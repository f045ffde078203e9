"""What a stack writes into its state folder, and what it makes of what it finds there."""

import json
import re
from pathlib import Path

import pytest

from dev.stack import material, redis_users
from dev.stack.alone import AlreadyRunning, alone, is_running
from dev.stack.places import Places, Record, default_state, read_record, write_record
from shared.plans import Identity, Operation
from worker.policy import load_policy

ISSUER = "http://127.0.0.1:3011"


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(state=tmp_path / "state")


def record(pid: int = 1) -> Record:
    return Record(
        pid=pid,
        gateway_port=3001,
        issuer_port=3011,
        redis_port=4001,
        sandbox_port=4002,
        started_at=0.0,
    )


def prepared(places: Places) -> None:
    with alone(places):
        material.prepare(places, issuer=ISSUER, namespaces=["one", "two"])


def test_the_policy_lets_the_demo_approvers_approve_everything_in_the_namespaces(
    places: Places,
) -> None:
    prepared(places)

    (rule,) = load_policy(places.policy).approvers

    assert rule.namespaces == ("one", "two")
    assert set(rule.operations) == set(Operation)
    assert rule.subjects == (
        Identity(iss=ISSUER, sub="dev-approver"),
        Identity(iss=ISSUER, sub="dev-approver-2"),
    )


def test_a_policy_that_somebody_made_their_own_is_kept(places: Places) -> None:
    prepared(places)
    places.policy.write_text("approvers: []\n")

    prepared(places)

    assert places.policy.read_text() == "approvers: []\n"


def test_a_generated_policy_follows_the_options(places: Places) -> None:
    prepared(places)

    with alone(places):
        material.prepare(places, issuer="http://127.0.0.1:5", namespaces=["three"])

    (rule,) = load_policy(places.policy).approvers
    assert rule.namespaces == ("three",)
    assert rule.subjects[0].iss == "http://127.0.0.1:5"


def test_everything_secret_is_readable_by_its_owner_alone(places: Places) -> None:
    prepared(places)

    modes = {
        path.name: path.stat().st_mode & 0o777
        for path in (places.client_key, places.redis_users, places.policy, places.lock)
    }

    assert set(modes.values()) == {0o600}
    assert places.state.stat().st_mode & 0o777 == 0o700


def test_the_client_key_is_kept_and_only_its_public_half_is_published(places: Places) -> None:
    prepared(places)
    before = places.client_key.read_bytes()

    prepared(places)

    (published,) = json.loads(places.client_jwks.read_text())["keys"]
    assert places.client_key.read_bytes() == before
    assert published.keys() == {"kty", "crv", "x", "y", "kid", "alg", "use"}


def test_redis_users_of_a_strict_stack_have_the_deployed_rights_and_passwords_of_their_own(
    places: Places,
) -> None:
    with alone(places):
        material.prepare(places, issuer=ISSUER, namespaces=["one"], strict=True)
    deployed, own = redis_users.RIGHTS.read_text(), places.redis_users.read_text()
    names = re.findall(r"(?m)^user (\S+) ", deployed)

    assert re.findall(r"(?m)^user (\S+) ", own) == names
    for name in names[2:]:
        password = redis_users.url(places, 1, name).split(":")[2].split("@")[0]
        assert len(password) == 32
        own = own.replace(password, f"{name}-development-only")
    assert own == deployed


def test_processes_that_do_the_work_of_several_have_what_those_have_together(
    places: Places,
) -> None:
    prepared(places)

    own = places.redis_users.read_text()
    deployed = redis_users.RIGHTS.read_text()
    gateway, worker = own.splitlines()[2:]

    assert re.findall(r"(?m)^user (\S+) ", own)[2:] == ["laptop-gateway", "laptop-worker"]
    assert "development-only" not in own
    for name, together in (
        ("gateway", gateway),
        ("approvals", gateway),
        ("reader", worker),
        ("planner", worker),
        ("applier", worker),
    ):
        (line,) = [one for one in deployed.splitlines() if one.startswith(f"user {name} ")]
        for selector in re.findall(r"\(([^)]*)\)", line):
            keys, commands = selector.split(" -@all ")
            (merged,) = re.findall(rf"\(([^()]*) -@all {re.escape(commands)}\)", together)
            assert set(keys.split()) <= set(merged.split()), name


def test_keys_of_a_strict_stack_lie_apart_and_are_pinned(places: Places) -> None:
    with alone(places):
        material.prepare(places, issuer=ISSUER, namespaces=["one"], strict=True)

    files = {str(path.relative_to(places.state)) for path in places.state.rglob("*.key")}
    assert files == {"planner/keys/seal.key", "applier/keys/receipt.key", "applier/keys/proof.key"}


def test_a_second_stack_with_the_same_state_is_told_of_the_first(places: Places) -> None:
    with alone(places):
        write_record(places, record(pid=4711))

        with pytest.raises(AlreadyRunning, match=r"process 4711, .* http://127\.0\.0\.1:3001/mcp"):
            prepared(places)


def test_whether_a_stack_runs_is_known_by_its_lock_not_by_its_record(places: Places) -> None:
    assert not is_running(places)
    with alone(places):
        write_record(places, record())
        assert is_running(places)

    assert not is_running(places)
    assert read_record(places) == record()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"pid": 1, "port": 2}'])
def test_an_unreadable_record_is_no_record(places: Places, content: str) -> None:
    places.state.mkdir()
    (places.state / "stack.json").write_text(content)

    assert read_record(places) is None


def test_the_usual_state_is_that_of_the_checkout_wherever_one_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)

    assert default_state({}) == Path(__file__).parents[2] / ".infragate"
    assert default_state({"INFRAGATE_STATE": "/elsewhere"}) == Path("/elsewhere")
