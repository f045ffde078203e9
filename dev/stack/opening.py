"""From what a person asked for to a stack that is ready: choices, ports, files, parts."""

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import redis

from dev.redis_server import NoRedisServer
from dev.stack import parts, ports, redis_users
from dev.stack.material import prepare
from dev.stack.parts import Part, Wish
from dev.stack.places import HOSTS, Places, Record, read_record, write_record
from dev.stack.running import Signals, Stack
from shared.errors import BadConfiguration, Fault
from shared.manifests import name_refusal
from shared.stores.announcements import INDEX

MAX_WORKERS: Final = 8
MAX_PORT: Final = 65535

OnReady = Callable[[Part, float], None]


class PortBusy(Fault):
    """Somebody else has a port that the stack needs; the text says who and what to do."""

    code = "port_busy"


@contextmanager
def opened(
    places: Places, record: Record, wish: Wish, signals: Signals, told: OnReady
) -> Iterator[Stack]:
    """The stack, ready in the block and gone after it. `told` hears of each part.

    Raises:
        Fault: it does not become ready; the text says why.
        ToldToStop: a signal arrived.
    """
    prepare(places, issuer=record.issuer, namespaces=wish.namespaces, strict=record.strict)
    write_record(places, _described(record, wish))
    try:
        stack = Stack(places, parts.parts(places, record, wish), signals)
    except NoRedisServer as error:
        raise BadConfiguration(str(error)) from None
    try:
        stack.start(told, lambda: _forget_workers(places, record))
        yield stack
    finally:
        stack.stop()


def _described(record: Record, wish: Wish) -> Record:
    return replace(
        record,
        kubeconfig=str(wish.kubeconfig or ""),
        reader_kubeconfig=str(wish.reader_kubeconfig or ""),
        planner_kubeconfig=str(wish.planner_kubeconfig or ""),
        namespaces=",".join(wish.namespaces),
    )


def claimed(
    places: Places,
    *,
    gateway_port: int,
    issuer_port: int,
    approvals_port: int | None = None,
    host: str = HOSTS[0],
) -> Record:
    """Returns the record of a stack on these ports (0: the last one, or else a free one).

    With an `approvals_port` it is strict. Plans belong to people, people to their issuer and
    issuers to their port: so ports stay.

    Raises:
        BadConfiguration: these cannot be ports of different processes.
        PortBusy: a port that clients and people know is taken, so no other will do.
    """
    named = (
        (gateway_port, "the gateway", "--port"),
        (issuer_port, "the development issuer", "--issuer-port"),
        (approvals_port or 0, "the process of the approval pages", "--approvals-port"),
    )
    if approvals_port is not None and host != HOSTS[0]:
        raise BadConfiguration(
            "--strict has the pages at localhost, where passkeys work. Cookies know no ports, so "
            "the gateway needs another name: leave --host out."
        )
    asked = [port for port, _, _ in named if port]
    if not set(asked) <= set(range(MAX_PORT + 1)):
        raise BadConfiguration(f"A port is a number from 1 to {MAX_PORT}, or 0 for any free one.")
    if len(asked) > len(set(asked)):
        raise BadConfiguration("Gateway, approval pages and development issuer need a port each.")
    for port, what, option in named:
        if port and not ports.is_free(port):
            raise PortBusy(ports.busy_message(port, what, option))
    last = read_record(places)
    return Record(
        pid=os.getpid(),
        gateway_port=ports.choose(gateway_port or (last.gateway_port if last else 0)),
        issuer_port=ports.choose(issuer_port or (last.issuer_port if last else 0)),
        redis_port=ports.choose(last.redis_port if last else 0),
        sandbox_port=ports.choose(last.sandbox_port if last else 0),
        started_at=time.time(),
        host=host,
        approvals_port=0
        if approvals_port is None
        else ports.choose(approvals_port or (last.approvals_port if last else 0)),
    )


def measured(places: Places, record: Record, wish: Wish) -> Record:
    """Returns the record with a loopback port for the metrics of each part, the last one's if free.

    So what scrapes a stack finds it again.
    """
    last = read_record(places)
    before = last.metrics if last else {}
    names = parts.measured(strict=record.strict, workers=wish.workers)
    return replace(record, metrics={name: ports.choose(before.get(name, 0)) for name in names})


def wish_from(  # noqa: PLR0913 - one for each option
    *,
    kubeconfig: Path | None,
    sandbox: bool,
    namespaces: str,
    workers: int,
    environment: Mapping[str, str],
    strict: bool = False,
    reader_kubeconfig: Path | None = None,
    planner_kubeconfig: Path | None = None,
) -> Wish:
    """Returns what is asked for on the command line and in the environment.

    Raises:
        BadConfiguration: it cannot be had; the text says what to change.
    """
    names = tuple(part.strip() for part in namespaces.split(",") if part.strip())
    if not names:
        raise BadConfiguration("--namespaces names none; agents could see nothing.")
    for name in names:
        if (refusal := name_refusal(name, what="Namespace", label=True)) is not None:
            raise BadConfiguration(f"--namespaces: {refusal.message}")
    if not 1 <= workers <= MAX_WORKERS:
        raise BadConfiguration(f"--workers must be between 1 and {MAX_WORKERS}.")
    if environment.get("INFRA_GATE_ENVIRONMENT", "").strip().lower() == "production":
        raise BadConfiguration(
            "INFRA_GATE_ENVIRONMENT is Production, and this stack is for development only: its "
            "issuer signs in anybody as anybody. Unset it, or deploy as docs/operations.md says."
        )
    most = None if sandbox else _kubeconfig(kubeconfig, environment)
    if (reader_kubeconfig or planner_kubeconfig) and not (strict and most):
        raise BadConfiguration(
            "--reader-kubeconfig and --planner-kubeconfig need --strict and, for the applier, "
            "--kubeconfig."
        )
    return Wish(
        kubeconfig=most,
        namespaces=names,
        workers=workers,
        reader_kubeconfig=_kubeconfig(reader_kubeconfig, {}),
        planner_kubeconfig=_kubeconfig(planner_kubeconfig, {}),
    )


def _kubeconfig(named: Path | None, environment: Mapping[str, str]) -> Path | None:
    inherited = environment.get("KUBECONFIG", "")
    if named is None and not inherited:
        return None
    path = (named or Path(inherited)).expanduser().resolve()
    if path.is_file():
        return path
    if named is None and os.pathsep in inherited:
        raise BadConfiguration(
            "KUBECONFIG names several files; name one with --kubeconfig, or use --sandbox."
        )
    raise BadConfiguration(
        f"There is no kubeconfig {path}. .kube/README.md says how to make one; "
        "--sandbox needs none."
    )


def _forget_workers(places: Places, record: Record) -> None:
    """Drops what workers of a run that was killed said of themselves; none of them lives."""
    user = "reader" if record.strict else redis_users.LAPTOP_WORKER
    url = redis_users.url(places, record.redis_port, user)
    with redis.Redis.from_url(url) as client:
        client.delete(INDEX)
