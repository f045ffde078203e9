"""Whether Redis answers, as whom, with what rights, and whether it keeps what it is given."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar, cast
from urllib.parse import urlsplit

from shared.errors import RedisUnavailable
from shared.settings import WorkerSettings, is_loopback
from shared.stores.connection import Redis, connect, is_hopeless, redis_faults
from worker.ops.diagnosis import (
    Diagnosis,
    clocks,
    failed,
    fine,
    judged,
    not_checked,
    warning,
)

ABOUT: Final = "redis"
OLDEST: Final = 7
RIGHTS: Final = "deploy/redis/users.acl"
FORGERY: Final = ("HSET", "wk:plan:doctor", "state", "approved")

ResultT = TypeVar("ResultT")


def check(settings: WorkerSettings, clock: Callable[[], float]) -> Iterator[Diagnosis]:
    """Yields what is found; `clock` gives epoch seconds. Writes nothing."""
    url = settings.redis_url.get_secret_value()
    with connect(
        settings.redis_url, timeout_s=settings.redis_timeout_s, ca_file=settings.redis_ca_file
    ) as client:
        try:
            _asked(client.ping)
        except RedisUnavailable as fault:
            yield _away(fault)
            return
        yield _user(client, urlsplit(url).username or "default")
        yield _version(client)
        yield _tls(url, production=settings.production)
        yield from _persistence(client)
        yield from _users(client)
        yield _time(client, clock)


def _asked(question: Callable[[], ResultT]) -> ResultT:
    with redis_faults():
        return question()


def _allowed(question: Callable[[], ResultT]) -> ResultT | None:
    """Returns the answer, or None where this user may not ask."""
    try:
        return _asked(question)
    except RedisUnavailable as fault:
        if is_hopeless(fault) or type(fault.__cause__).__name__ == "ResponseError":
            return None
        raise


def _away(fault: RedisUnavailable) -> Diagnosis:
    if is_hopeless(fault):
        return failed(
            ABOUT,
            "refuses this user or its password",
            f"make user and password in INFRA_GATE_REDIS_URL those of {RIGHTS}",
        )
    if "certificate" in str(fault):
        mend = "name the authority of its certificate in INFRA_GATE_REDIS_CA_FILE"
        return failed(ABOUT, str(fault), mend)
    return failed(ABOUT, str(fault), "start Redis, or correct INFRA_GATE_REDIS_URL")


def _user(client: Redis, named: str) -> Diagnosis:
    told = _allowed(client.acl_whoami)
    name = named if told is None else str(told)
    if name == "default":
        return warning(
            ABOUT,
            "answers; this is its default user, with all rights",
            f"use the users of {RIGHTS}: whoever owns a gateway then owns no plan",
        )
    return fine(ABOUT, f"answers; this is user {name}")


def _version(client: Redis) -> Diagnosis:
    hello = _allowed(lambda: client.execute_command("HELLO"))  # type: ignore[no-untyped-call]
    if isinstance(hello, list):
        hello = dict(zip(hello[::2], hello[1::2], strict=False))
    raw = hello.get(b"version") if isinstance(hello, dict) else None
    if not isinstance(raw, bytes):
        return not_checked(ABOUT, "does not tell its version", "see that it is 7 or newer")
    version = raw.decode("ascii", "replace")
    major = version.partition(".")[0]
    return judged(
        major.isdigit() and int(major) >= OLDEST,
        ABOUT,
        f"version {version}",
        f"version {version} is too old: queues need BLMPOP",
        "upgrade to Redis or Valkey 7",
    )


def _tls(url: str, *, production: bool) -> Diagnosis:
    if url.startswith("rediss://"):
        return fine(ABOUT, "TLS, its certificate checked")
    if is_loopback(url) and not production:
        return not_checked(ABOUT, "no TLS, on this machine")
    return failed(ABOUT, "no TLS: passwords and plans cross the network in clear", "use rediss://")


def _persistence(client: Redis) -> Iterator[Diagnosis]:
    names = ("appendonly", "maxmemory-policy")
    told = _allowed(lambda: cast("dict[str, str]", client.config_get(*names)))
    if told is None:
        yield fine(ABOUT, "this user may not administer Redis")
        yield not_checked(
            ABOUT,
            "persistence is not for this user to see",
            "as administrator: CONFIG GET appendonly (yes), maxmemory-policy (noeviction)",
        )
        return
    yield warning(
        ABOUT, "this user may administer Redis", f"use the user for this role of {RIGHTS}"
    )
    yield judged(
        told.get("appendonly") == "yes",
        ABOUT,
        "keeps what it has over restarts (appendonly yes)",
        "forgets on restart (appendonly no)",
        "CONFIG SET appendonly yes, and in redis.conf",
    )
    yield judged(
        told.get("maxmemory-policy") == "noeviction",
        ABOUT,
        "throws nothing away when full (noeviction)",
        f"throws plans away when full ({told.get('maxmemory-policy')})",
        "CONFIG SET maxmemory-policy noeviction, and in redis.conf",
    )


def _users(client: Redis) -> Iterator[Diagnosis]:
    """What each user may do, where this one may ask."""
    names = _allowed(client.acl_users)
    if names is None:
        return
    for name in sorted(map(str, names)):
        details = _allowed(lambda name=name: client.acl_getuser(name))  # type: ignore[misc]
        if isinstance(details, dict):
            yield _one_user(client, name, details)


def _one_user(client: Redis, name: str, details: Mapping[str, object]) -> Diagnosis:
    flags = cast("list[str]", details.get("flags") or [])
    said = f"user {name}: {' '.join(_rights(details))}"[:200]
    if "on" not in flags:
        return fine(ABOUT, f"user {name} is off")
    if name == "default":
        return warning(
            ABOUT,
            "user default is on" + (", without a password" if "nopass" in flags else ""),
            f"turn it off (ACL SETUSER default off) and use the users of {RIGHTS}",
        )
    if name.startswith(("gateway", "approvals")):
        answer = _allowed(lambda: client.execute_command("ACL", "DRYRUN", name, *FORGERY))  # type: ignore[no-untyped-call]
        return judged(
            answer != b"OK",
            ABOUT,
            f"{said}; cannot write plans",
            f"user {name} can write plans",
            f"give it the rights of {RIGHTS}",
        )
    return fine(ABOUT, said)


def _rights(details: Mapping[str, object]) -> list[str]:
    parts = (details.get(key) for key in ("categories", "commands", "keys"))
    return [str(one) for part in parts if isinstance(part, list) for one in part]


def _time(client: Redis, clock: Callable[[], float]) -> Diagnosis:
    told = _allowed(client.time)
    if told is None:
        return not_checked(ABOUT, "its clock is not for this user to see; nothing depends on it")
    seconds, micros = told
    return clocks(ABOUT, seconds + micros / 1e6 - 0.5, clock())
