"""Each process' user of deploy/redis/users.acl: what it can do on a real Redis, and nothing else.

What it can do is done by the stores themselves; the whole journey as these users is the strict
stack's (`tests/journeys/test_up_strict.py`).
"""

import asyncio
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import redis
from pydantic import SecretStr
from redis.backoff import NoBackoff
from redis.retry import Retry

from dev.redis_server import command, free_port
from dev.stack.probes import redis_answers
from shared.approvals import SignedStatement, Statement
from shared.messages import Announcement, Answer, Role
from shared.plans import Identity, State
from shared.stores.announcements import announce, announced, withdraw
from shared.stores.connection import AsyncRedis, connect, connect_async
from shared.stores.given_up import give_up, is_given_up
from shared.stores.history import HistoryStore, HistoryView
from shared.stores.logins import Approving, LoginStore, Session, UnderWay
from shared.stores.mcp_events import McpEventLog
from shared.stores.mcp_follows import Followed, McpFollowStore
from shared.stores.mcp_proofs import McpProofStore
from shared.stores.mcp_sessions import McpSession, McpSessionStore, Owner
from shared.stores.mcp_shares import McpShareStore
from shared.stores.mcp_wire import Told, heard, tell
from shared.stores.overview import overview
from shared.stores.plan_moves import moved
from shared.stores.plan_view import PlanView
from shared.stores.plans import PlanStore
from shared.stores.queues import Parcel, QueueMouth, oldest, take
from shared.stores.replies import next_replies, push
from tests.shared.stores.test_plans import PLAN, SEALED

pytestmark = pytest.mark.real_redis

USERS = Path(__file__).parents[3] / "deploy" / "redis" / "users.acl"
NAMES = ("gateway", "approvals", "reader", "planner", "applier")
WHO = Identity(iss="https://id.example.com", sub="ada")
KEYS = ("wk:plan:plan-1", "wk:spent:1", "wk:workers", "gw:login:1", "gw:approving:1", "gw:mcp:1")
SESSION = McpSession(
    owner=Owner(client_id="codex", iss="https://id.example.com", sub="ada"),
    protocol_version="2025-11-25",
    client_info={"name": "codex", "version": "1"},
    capabilities={},
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Server:
    port: int

    def url(self, user: str) -> SecretStr:
        return SecretStr(f"redis://{user}:{user}-development-only@127.0.0.1:{self.port}/0")

    def on_loop(self, user: str, act: Callable[[AsyncRedis], Awaitable[T]]) -> T:
        """Runs `act` with a client of the gateway's kind."""

        async def main() -> T:
            client = connect_async(self.url(user), timeout_s=2)
            try:
                return await act(client)
            finally:
                await client.aclose()

        return asyncio.run(main())

    def put(self, user: str, queue: str) -> None:
        self.on_loop(user, lambda client: QueueMouth(client).put(_parcel(queue), longest=99))

    def take_back(self, user: str, queue: str) -> bool:
        return self.on_loop(user, lambda client: QueueMouth(client).take_back(_parcel(queue)))

    def refuses(self, user: str, *words: str | int) -> None:
        """Checks that the server refuses a command for want of rights, and for nothing else."""
        with (
            redis.Redis.from_url(self.url(user).get_secret_value()) as client,
            pytest.raises(redis.exceptions.NoPermissionError),
        ):
            client.execute_command(*words)


def _parcel(queue: str) -> Parcel:
    return Parcel(queue=queue, message=b"{}", call_id="call", subject="somebody")


@contextmanager
def running(folder: Path, users: Path = USERS) -> Iterator[Server]:
    """A server with the users' file."""
    port = free_port()
    server = subprocess.Popen(command(port, folder, aof=True, acl=users), stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not redis_answers(port)():
            assert time.monotonic() < deadline
            time.sleep(0.02)  # another process: nothing here can be awaited but its answer
        yield Server(port)
    finally:
        server.terminate()
        server.wait()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """It holds a plan, and something under each kind of key that has no owner here."""
    with running(tmp_path) as server:
        PlanStore(connect(server.url("planner"), timeout_s=2)).add(PLAN, SEALED)
        yield server


def taken(server: Server, user: str, queue: str) -> tuple[str, list[bytes]] | None:
    return take(connect(server.url(user), timeout_s=2), [queue], at_most=9, wait_s=0.1)


def worker(role: Role) -> Announcement:
    return Announcement(
        worker=f"{role.value}-1",
        version="0",
        cluster="sandbox",
        cluster_id="uid",
        cluster_version="v1.36.0",
        simulated=True,
        namespaces=("mcp-nginx-demo",),
        roles=(role,),
        started_at=1,
        seen_at=1,
    )


def announces(server: Server, user: str, role: Role) -> None:
    """Announces a worker, which the gateway then knows, and withdraws it."""
    client = connect(server.url(user), timeout_s=2)
    announce(client, worker(role))
    assert [one.roles for one in server.on_loop("gateway", announced)] == [(role,)]
    withdraw(client, worker(role).worker)
    assert server.on_loop("approvals", announced) == ()


def answers(server: Server, user: str, asker: str) -> None:
    """Sends a reply, which who asked receives."""
    push(connect(server.url(user), timeout_s=2), f"r:{asker}-1", Answer(id="c", body=user))
    got = server.on_loop(asker, lambda client: next_replies(client, f"r:{asker}-1", wait_s=1))
    assert got == [Answer(id="c", body=user)]


def test_the_gateways_user_keeps_sessions_follows_plans_and_counts_requests(
    server: Server,
) -> None:
    async def act(client: AsyncRedis) -> None:
        sessions, events = McpSessionStore(client, clock=time.time), McpEventLog(client)
        follows = McpFollowStore(client)
        await sessions.save("id", SESSION)
        assert await sessions.load("id", SESSION.owner) == SESSION
        await sessions.touch("id", SESSION.owner)
        assert await sessions.take_stream("id", "me")
        assert await sessions.keep_stream("id", "me")
        entry = await events.append("id", "s", "{}", last=False)
        assert [each.entry for each in await events.after("id", "s", "0-0")] == [entry]
        assert await events.newest("id", "s") == entry
        await events.keep_alive("id", "s")
        assert await events.is_alive("id", "s")
        assert await PlanView(client).states(["plan-1", "none"]) == {"plan-1": "pending"}
        known = Followed(state="denied", expires_at=4_600)
        assert await follows.follow("id", "plan-1", replace(known, state="pending"))
        await follows.told("id", {"plan-1": known})
        assert await follows.followed("id") == {"plan-1": known}
        await follows.unfollow("id", "plan-1")
        shares = McpShareStore(client, "here", rate=1, burst=1, at_a_time=2)
        assert (await shares.take("somebody", tokens=2, places=1, used=0)).tokens == 1
        assert await McpProofStore(client).spend("proof")
        assert not await McpProofStore(client).spend("proof")
        async with aclosing(heard(client)) as messages:
            assert await anext(messages) is None
            await tell(client, Told(session="s", kind="ended"))
            assert await anext(messages) == Told(session="s", kind="ended")
        await sessions.leave_stream("id", "me")
        await sessions.end("id", SESSION.owner)

    server.on_loop("gateway", act)


@pytest.mark.promise("redis-gateway-user")
@pytest.mark.promise("plan-news-is-a-hint")
def test_the_gateways_user_asks_and_reads_but_moves_no_plan_and_sees_no_sign_in(
    server: Server,
) -> None:
    for role in Role:
        server.put("gateway", f"sandbox.{role.value}")
    stored = server.on_loop("gateway", lambda client: PlanView(client).load("plan-1"))
    server.on_loop("gateway", lambda client: client.set("gw:mcp:session", "x", ex=9))
    server.on_loop("gateway", lambda client: client.publish("gw:mcp:session", "x"))
    for asks in ("gateway", "approvals"):
        server.on_loop(asks, partial(give_up, call_id=asks))
        for works in ("reader", "planner"):
            assert is_given_up(connect(server.url(works), timeout_s=2), asks)

    assert stored is not None
    for user, role in zip(("reader", "planner", "applier"), Role, strict=True):
        answers(server, user, "gateway")
        assert taken(server, user, f"sandbox.{role.value}") is not None
        server.refuses("gateway", "BLMPOP", 1, 1, f"q:sandbox.{role.value}", "RIGHT")
    seen = overview(connect(server.url("gateway"), timeout_s=2))
    assert "plan-1" in {one.id for one in seen.plans}
    for words in (
        ("GET", "gw:left:call"),
        ("LINDEX", "q:sandbox.apply", -1),
        ("LRANGE", "q:sandbox.apply", 0, -1),
        ("DEL", "q:sandbox.apply"),
        ("HMGET", "wk:history", "plan-1"),
        ("LRANGE", "wk:story:plan-1", 0, -1),
        ("HSET", "wk:plan:plan-1", "state", "approved"),
        ("DEL", "wk:plan:plan-1"),
        ("EXPIRE", "wk:plan:plan-1", 1),
        ("EXISTS", "wk:spent:1"),
        ("SET", "wk:spent:1", "1"),
        ("SET", "wk:worker:w", "{}"),
        ("SADD", "wk:workers", "w"),
        ("BLMPOP", 1, 1, "r:approvals-1", "LEFT"),
        ("RPUSH", "r:gateway-1", "{}"),
        ("GET", "gw:login:1"),
        ("SET", "gw:login:1", "{}"),
        ("GETDEL", "gw:approving:1"),
        ("GET", "gw:passkey:1"),
        ("PUBLISH", "gw:login", "x"),
        ("PUBLISH", "wk:moved", "plan-1"),
        ("SUBSCRIBE", "gw:login"),
        ("PSUBSCRIBE", "wk:*"),
    ):
        server.refuses("gateway", *words)


@pytest.mark.promise("redis-approvals-user")
@pytest.mark.promise("plan-news-is-a-hint")
def test_the_pages_user_keeps_sign_ins_and_asks_applier_and_planner(server: Server) -> None:
    statement = Statement(
        plan_id="plan-1",
        plan_digest="sha256:0",
        decision="approve",
        approver=WHO,
        challenge="c",
        challenge_iat=1,
        expires_at=2,
        cluster_id="uid",
    )
    signed = SignedStatement(statement=statement, signature="s")
    approving = Approving(plan_id="plan-1", signed=signed, session="0")
    login = UnderWay(browser="0", verifier="v", nonce="n", next_path="/", approving=approving)
    session = Session(identity=WHO, name="Ada", started_at=1)

    async def signs_in(client: AsyncRedis) -> None:
        store = LoginStore(client)
        await store.remember("state", login)
        assert await store.take("state") == login
        await store.start("cookie", session)
        assert await store.load("cookie", now=2) == session
        await store.end("cookie")
        assert await store.load("cookie", now=2) is None

    server.on_loop("approvals", signs_in)
    server.on_loop("approvals", lambda client: client.set("gw:passkey:1", "{}", ex=9))
    assert server.on_loop("approvals", lambda client: client.getdel("gw:passkey:1")) == b"{}"
    for user, queue in (("approvals", "sandbox.apply"), ("gateway", "sandbox.read")):
        server.put(user, queue)
        assert server.take_back(user, queue)
        assert not server.take_back(user, queue)
    server.put("approvals", "sandbox.apply")
    server.put("approvals", "sandbox.plan")
    answers(server, "applier", "approvals")
    answers(server, "planner", "approvals")
    newest = server.on_loop("approvals", lambda client: PlanView(client).newest())

    assert [one.id for one in newest] == ["plan-1"]
    assert taken(server, "applier", "sandbox.apply") is not None
    assert taken(server, "planner", "sandbox.plan") is not None
    for words in (
        ("LPUSH", "q:sandbox.read", "{}"),
        ("BLMPOP", 1, 1, "q:sandbox.plan", "RIGHT"),
        ("BLMPOP", 1, 1, "q:sandbox.apply", "RIGHT"),
        ("LREM", "q:sandbox.read", 1, "{}"),
        ("LRANGE", "q:sandbox.apply", 0, -1),
        ("LRANGE", "q:of:sandbox.read", 0, -1),
        ("GET", "gw:left:call"),
        ("BLMPOP", 1, 1, "r:gateway-1", "LEFT"),
        ("RPUSH", "r:approvals-1", "{}"),
        ("HSET", "wk:plan:plan-1", "state", "approved"),
        ("DEL", "wk:plan:plan-1"),
        ("EXISTS", "wk:spent:1"),
        ("SADD", "wk:workers", "w"),
        ("GET", "gw:mcp:1"),
        ("SET", "gw:mcp:1", "x"),
        ("PUBLISH", "gw:mcp:1", "x"),
        ("PUBLISH", "wk:moved", "plan-1"),
        ("HSET", "wk:history", "plan-1", "{}"),
        ("ZADD", "wk:history:ends", 1, "plan-1"),
        ("RPUSH", "wk:story:plan-1", "{}"),
        ("DEL", "wk:story:plan-1"),
        ("SUBSCRIBE", "gw:mcp:1"),
        ("PSUBSCRIBE", "wk:*"),
    ):
        server.refuses("approvals", *words)


@pytest.mark.promise("redis-reader-user")
@pytest.mark.promise("plan-news-is-a-hint")
def test_the_readers_user_takes_reads_and_sees_no_plan(server: Server) -> None:
    server.put("gateway", "sandbox.read")

    assert oldest(connect(server.url("reader"), timeout_s=2), "sandbox.read") == b"{}"
    assert taken(server, "reader", "sandbox.read") == ("sandbox.read", [b"{}"])
    announces(server, "reader", Role.READ)
    answers(server, "reader", "gateway")
    for words in (
        ("SET", "gw:left:call", ""),
        ("DEL", "gw:left:call"),
        ("LREM", "q:sandbox.read", 1, "{}"),
        ("HGETALL", "wk:plan:plan-1"),
        ("HSET", "wk:plan:plan-1", "state", "approved"),
        ("ZADD", "wk:plans", 1, "x"),
        ("SET", "wk:spent:1", "1"),
        ("PUBLISH", "wk:moved", "plan-1"),
        ("SUBSCRIBE", "wk:moved"),
        ("RPUSH", "r:approvals-1", "{}"),
        *((("BLMPOP", 1, 1, f"q:sandbox.{role}", "RIGHT")) for role in ("plan", "apply")),
        *((("LINDEX", f"q:sandbox.{role}", -1)) for role in ("plan", "apply")),
        *((("LPUSH", f"q:sandbox.{role}", "{}")) for role in ("read", "plan", "apply")),
        *((("BLMPOP", 1, 1, f"r:{asker}-1", "LEFT")) for asker in ("gateway", "approvals")),
        *((("GET", key)) for key in KEYS),
    ):
        server.refuses("reader", *words)


@pytest.mark.promise("redis-planner-user")
def test_the_planners_user_adds_plans_and_reads_those_that_it_is_told_of(server: Server) -> None:
    server.put("gateway", "sandbox.plan")
    plan = PLAN.model_copy(update={"id": "plan-2"})

    assert oldest(connect(server.url("planner"), timeout_s=2), "sandbox.plan") == b"{}"
    assert taken(server, "planner", "sandbox.plan") == ("sandbox.plan", [b"{}"])
    announces(server, "planner", Role.PLAN)
    answers(server, "planner", "gateway")
    store = PlanStore(connect(server.url("planner"), timeout_s=2))
    store.add(plan, SEALED)
    store.add(plan.model_copy(update={"id": "plan-3", "undoes": "plan-2"}), SEALED)
    undone = store.load("plan-2")
    assert undone is not None
    assert undone.undone_by == "plan-3"
    assert server.on_loop("gateway", lambda client: PlanView(client).load("plan-2"))
    HistoryStore(connect(server.url("planner"), timeout_s=2)).tell("plan-2", "{}", keep_s=60)
    for words in (
        ("LPOP", "wk:story:plan-2"),
        ("HSET", "wk:history", "plan-1", "{}"),
        ("EVALSHA", "0" * 40, 1, "wk:plan:plan-1"),
        ("DEL", "wk:plan:plan-1"),
        ("ZREVRANGE", "wk:plans", 0, 9),
        ("SET", "wk:spent:1", "1"),
        ("PUBLISH", "gw:mcp:wire", "x"),
        ("SUBSCRIBE", "wk:moved"),
        *((("BLMPOP", 1, 1, f"q:sandbox.{role}", "RIGHT")) for role in ("read", "apply")),
        *((("LINDEX", f"q:sandbox.{role}", -1)) for role in ("read", "apply")),
        *((("LPUSH", f"q:sandbox.{role}", "{}")) for role in ("read", "plan", "apply")),
        *((("BLMPOP", 1, 1, f"r:{asker}-1", "LEFT")) for asker in ("gateway", "approvals")),
        *((("GET", key)) for key in KEYS),
    ):
        server.refuses("planner", *words)


@pytest.mark.promise("redis-applier-user")
def test_the_appliers_user_moves_plans_and_spends_logins_for_good(server: Server) -> None:
    server.put("approvals", "sandbox.apply")
    store = PlanStore(connect(server.url("applier"), timeout_s=2))

    assert oldest(connect(server.url("applier"), timeout_s=2), "sandbox.apply") == b"{}"
    assert taken(server, "applier", "sandbox.apply") == ("sandbox.apply", [b"{}"])
    announces(server, "applier", Role.APPLY)
    answers(server, "applier", "gateway")
    answers(server, "applier", "approvals")
    stored = store.load("plan-1")
    assert stored is not None
    assert store.move(stored, State.APPROVED, {"receipt": "r"})
    assert not store.move(stored, State.APPROVED)
    store.note("plan-1", {"outcome": "{}"})
    assert store.spend("a login", keep_s=60)
    assert not store.spend("a login", keep_s=60)
    assert store.load("plan-1") == replace(
        stored, state=State.APPROVED, version=2, receipt="r", outcome="{}"
    )
    history = HistoryStore(connect(server.url("applier"), timeout_s=2))
    history.keep("plan-0", "old", at=1)
    history.keep("plan-1", "{}", at=10_000_000)
    history.tell("plan-1", "{}", keep_s=60)
    kept = server.on_loop("approvals", lambda client: HistoryView(client).before(None, 9))
    assert kept == (("plan-1", b"{}", 10_000_000.0),)
    assert server.on_loop("approvals", lambda client: HistoryView(client).story("plan-1"))
    for words in (
        ("DEL", "wk:plan:plan-1"),
        ("DEL", "wk:spent:1"),
        ("DEL", "wk:history"),
        ("DEL", "wk:story:plan-1"),
        ("LRANGE", "wk:story:plan-1", 0, -1),
        ("ZADD", "wk:plans", 1, "x"),
        *((("BLMPOP", 1, 1, f"q:sandbox.{role}", "RIGHT")) for role in ("read", "plan")),
        *((("LINDEX", f"q:sandbox.{role}", -1)) for role in ("read", "plan")),
        *((("LPUSH", f"q:sandbox.{role}", "{}")) for role in ("read", "plan", "apply")),
        *((("BLMPOP", 1, 1, f"r:{asker}-1", "LEFT")) for asker in ("gateway", "approvals")),
        *((("GET", key)) for key in KEYS),
    ):
        server.refuses("applier", *words)


@pytest.mark.parametrize("user", ["gateway", "approvals"])
def test_who_serves_people_and_agents_hears_what_planner_and_applier_do(
    server: Server, user: str
) -> None:
    added = PLAN.model_copy(update={"id": f"for-{user}"})

    async def hears(client: AsyncRedis) -> list[str | None]:
        async with aclosing(moved(client)) as messages:
            heard = [await anext(messages)]
            PlanStore(connect(server.url("planner"), timeout_s=2)).add(added, SEALED)
            heard.append(await anext(messages))
            store = PlanStore(connect(server.url("applier"), timeout_s=2))
            stored = store.load(added.id)
            assert stored is not None
            assert store.move(stored, State.DENIED)
            return [*heard, await anext(messages)]

    assert server.on_loop(user, hears) == [None, added.id, added.id]


@pytest.mark.promise("redis-nobody-administers")
@pytest.mark.parametrize("user", NAMES)
def test_no_process_user_may_administer_redis_or_look_around_in_it(
    server: Server, user: str
) -> None:
    for words in (
        ("CONFIG", "GET", "*"),
        ("CONFIG", "SET", "appendonly", "no"),
        ("ACL", "LIST"),
        ("ACL", "SETUSER", user, "+@all"),
        ("KEYS", "*"),
        ("SCAN", 0),
        ("RANDOMKEY",),
        ("DBSIZE",),
        ("INFO",),
        ("MONITOR",),
        ("CLIENT", "LIST"),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("CLIENT", "TRACKING", "ON", "BCAST"),  # would name every key that anybody writes
        ("EVAL", "return redis.call('SET', 'wk:plan:1', 'x')", 0),
        ("SCRIPT", "FLUSH"),
        ("FUNCTION", "FLUSH"),
        ("FLUSHALL",),
        ("SWAPDB", 0, 1),
        ("MIGRATE", "127.0.0.1", 1, "wk:plan:plan-1", 0, 1),
        ("REPLICAOF", "127.0.0.1", 1),
        ("SAVE",),
        ("LATENCY", "LATEST"),
        ("SHUTDOWN",),
    ):
        server.refuses(user, *words)


def test_an_observers_user_as_the_page_has_it_looks_and_does_nothing_else(tmp_path: Path) -> None:
    page = (USERS.parent / "README.md").read_text("utf-8")
    line = next(line for line in page.splitlines() if line.startswith("ACL SETUSER observer"))
    users = tmp_path / "users.acl"
    users.write_text(f"{USERS.read_text('ascii')}{line.replace('ACL SETUSER', 'user')}\n", "ascii")
    with running(tmp_path, users) as server:
        PlanStore(connect(server.url("planner"), timeout_s=2)).add(PLAN, SEALED)
        announce(connect(server.url("reader"), timeout_s=2), worker(Role.READ))
        server.put("gateway", "sandbox.read")
        url = f"redis://observer:PASSWORD@127.0.0.1:{server.port}/0"
        seen = overview(connect(SecretStr(url), timeout_s=2))

        assert [one.id for one in seen.plans] == ["plan-1"]
        assert seen.queues == {"sandbox.read": 1}
        with redis.Redis.from_url(url) as client:
            for words in (
                ("LINDEX", "q:sandbox.read", -1),
                ("LPUSH", "q:sandbox.read", "{}"),
                ("HSET", "wk:plan:plan-1", "state", "approved"),
                ("GET", "gw:login:1"),
                ("ACL", "LIST"),
            ):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    client.execute_command(*words)


def test_a_script_may_do_no_more_than_who_runs_it(server: Server) -> None:
    with redis.Redis.from_url(server.url("gateway").get_secret_value()) as client:
        script = client.register_script("return redis.call('HSET', 'wk:plan:plan-1', 'a', 'b')")

        with pytest.raises(redis.ResponseError, match="The user executing the script can't"):
            script(keys=["q:sandbox.read"])


def test_the_health_checks_user_may_ping_and_no_more(server: Server) -> None:
    with redis.Redis(port=server.port, username="health", password="-") as client:
        assert client.ping()
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.get("gw:login:1")


@pytest.mark.parametrize("password", [None, "", "default", "applier-development-only"])
def test_nobody_can_be_redis_default_user(server: Server, password: str | None) -> None:
    with (
        redis.Redis(port=server.port, password=password, retry=Retry(NoBackoff(), 0)) as anybody,
        pytest.raises(redis.AuthenticationError),
    ):
        anybody.ping()


def test_a_restart_of_redis_keeps_what_was_written_in_a_transaction(tmp_path: Path) -> None:
    """Redis replays its file as the default user, and drops what that user may not do."""
    with running(tmp_path) as first:
        PlanStore(connect(first.url("planner"), timeout_s=2)).add(PLAN, SEALED)

    with running(tmp_path) as second:
        assert PlanStore(connect(second.url("applier"), timeout_s=2)).load("plan-1") is not None
