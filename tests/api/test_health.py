"""/healthz lives when the process does; /readyz says what is missing."""

from typing import Any

import anyio
import pytest
from fastapi import FastAPI

from api.desk import Dispatch
from api.health import make_health
from shared.errors import RedisUnavailable
from shared.messages import Announcement, Role
from tests.api.asgi import Answer, send_request
from tests.api.desk_stage import Workers, worker
from tests.worker.worlds import NOW


class NoRedis(Workers):
    async def workers(self) -> tuple[Announcement, ...]:
        raise RedisUnavailable("Redis did not answer in time.")


def _get(path: str, dispatch: Dispatch) -> Answer:
    answers: list[Answer] = []

    async def main() -> None:
        app = FastAPI()
        app.include_router(make_health(dispatch, lambda: NOW + 3))
        answers.append(await send_request(app, "GET", path))

    anyio.run(main)
    return answers[0]


def _ready(*live: Announcement) -> tuple[int, Any]:
    answer = _get("/readyz", Workers(live=live))
    return answer.status, answer.json()


def test_a_gateway_without_redis_lives_and_is_not_ready() -> None:
    assert _get("/healthz", NoRedis()).json() == {"status": "ok"}
    answer = _get("/readyz", NoRedis())

    assert answer.status == 503
    assert answer.json() == {"status": "unavailable", "redis": "redis_unavailable"}


def test_with_all_roles_in_one_worker_it_is_ready() -> None:
    status, body = _ready(worker())

    assert status == 200
    assert body == {
        "status": "ready",
        "redis": "ok",
        "clusters": {
            "local": {
                "kubernetes": "v1.36.0",
                "simulated": True,
                "namespaces": ["demo"],
                "roles": {"read": 1, "plan": 1, "apply": 1},
                "lastSeenSeconds": 3,
            }
        },
    }


def test_roles_may_be_in_several_workers() -> None:
    status, body = _ready(
        worker(worker="a", roles=(Role.READ,), namespaces=("x",)),
        worker(worker="b", roles=(Role.PLAN, Role.READ), seen_at=NOW + 2),
        worker(worker="c", roles=(Role.APPLY,)),
    )

    cluster = body["clusters"]["local"]
    assert status == 200
    assert cluster["roles"] == {"read": 2, "plan": 1, "apply": 1}
    assert cluster["namespaces"] == ["demo", "x"]
    assert cluster["lastSeenSeconds"] == 1


@pytest.mark.parametrize("missing", Role)
def test_while_a_role_is_missing_it_is_not_ready(missing: Role) -> None:
    status, body = _ready(worker(roles=tuple(set(Role) - {missing})))

    assert status == 503
    assert body["status"] == "waiting for workers"
    assert missing.value not in body["clusters"]["local"]["roles"]


def test_roles_of_two_clusters_do_not_add_up() -> None:
    status, body = _ready(
        worker(worker="a", roles=(Role.READ, Role.PLAN)),
        worker(worker="b", cluster="far", roles=(Role.APPLY,)),
    )

    assert status == 503
    assert set(body["clusters"]) == {"local", "far"}


def test_without_workers_it_says_so() -> None:
    assert _ready() == (
        503,
        {"status": "waiting for workers", "redis": "ok", "clusters": {}},
    )


def test_a_worker_whose_clock_is_ahead_was_seen_just_now() -> None:
    _, body = _ready(worker(seen_at=NOW + 60))

    assert body["clusters"]["local"]["lastSeenSeconds"] == 0


def test_keys_of_workers_are_not_for_everybody() -> None:
    _, body = _ready(worker(seal_key="SEAL", proof_key="PROOF"))

    assert "SEAL" not in str(body)
    assert "PROOF" not in str(body)
