"""One stack for each state folder: a lock that the system takes back when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from dev.issuer.files import own_folder
from dev.stack.places import Places, read_record
from shared.errors import Fault


class AlreadyRunning(Fault):
    """Another process runs a stack with this state folder; the text says which."""

    code = "already_running"


@contextmanager
def alone(places: Places) -> Iterator[None]:
    """Holds the state folder while the block runs.

    Raises:
        AlreadyRunning: somebody else holds it.
    """
    own_folder(places.state)
    descriptor = os.open(places.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise AlreadyRunning(_who(places)) from None
        yield
    finally:
        os.close(descriptor)


def is_running(places: Places) -> bool:
    """Says whether a stack with this state folder runs now."""
    try:
        descriptor = os.open(places.lock, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _who(places: Places) -> str:
    record = read_record(places)
    if record is None:
        return f"Another process is just starting a stack in {places.state}; wait a moment."
    return (
        f"InfraGate already runs here: process {record.pid}, since {record.since}, at "
        f"{record.mcp}\nUse that one, or stop it with Ctrl-C there or `kill {record.pid}`. "
        "For a second one: --state, --port and --issuer-port of its own."
    )
