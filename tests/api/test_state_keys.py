"""State that a client carries from call to call: opened by any replica, by nobody else's key."""

from pathlib import Path

import pytest
from mcp.server.request_state import InvalidRequestState

from api.state_keys import request_state_security
from shared.errors import BadConfiguration

OLD, NEW = "o" * 32, "n" * 43


def test_replicas_with_one_file_open_what_the_others_sealed(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"{NEW}\n\n")
    here, there = (request_state_security(file, audience="x").codec for _ in range(2))

    assert there.unseal(here.seal(b"state")) == b"state"


def test_a_key_is_replaced_without_losing_what_is_under_way(tmp_path: Path) -> None:
    old, both, new = (tmp_path / name for name in ("old", "both", "new"))
    old.write_text(OLD)
    both.write_text(f"{NEW}\n{OLD}\n")
    new.write_text(NEW)
    before, during, after = (
        request_state_security(file, audience="x").codec for file in (old, both, new)
    )

    assert during.unseal(before.seal(b"1")) == b"1"
    assert after.unseal(during.seal(b"2")) == b"2"
    with pytest.raises(InvalidRequestState):
        after.unseal(before.seal(b"3"))


def test_without_a_file_a_replica_has_a_key_of_its_own() -> None:
    here, there = (request_state_security(None, audience="x").codec for _ in range(2))

    with pytest.raises(InvalidRequestState):
        there.unseal(here.seal(b"state"))


def test_the_state_is_good_for_as_long_as_a_plan(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(NEW)

    assert request_state_security(file, audience="x").ttl == 3600
    assert request_state_security(None, audience="x").ttl == 3600


@pytest.mark.parametrize("content", ["", "\n", "short", f"{NEW}\n{NEW}", f"{NEW}\nshort", "ö" * 40])
def test_a_file_that_cannot_be_used_stops_the_start_without_its_content(
    content: str, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    file.write_text(content, "utf-8")

    with pytest.raises(BadConfiguration, match="INFRA_GATE_STATE_KEY_FILE") as raised:
        request_state_security(file, audience="x")
    assert NEW not in str(raised.value)


def test_a_file_that_is_not_there_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="INFRA_GATE_STATE_KEY_FILE"):
        request_state_security(tmp_path / "none", audience="x")
