"""The users of a stack's Redis: the rights of deploy/redis/users.acl, passwords of their own.

So every run on a laptop shows that each process needs no more than it is given there. Where one
process does the work of several, its user has what those have together, and no more.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from typing import Final

from dev.issuer.files import write_text
from dev.stack.places import REPOSITORY, Places

RIGHTS: Final = REPOSITORY / "deploy" / "redis" / "users.acl"
LAPTOP_GATEWAY: Final = "laptop-gateway"
LAPTOP_WORKER: Final = "laptop-worker"
TOGETHER: Final[Mapping[str, tuple[str, ...]]] = {
    LAPTOP_GATEWAY: ("gateway", "approvals"),
    LAPTOP_WORKER: ("reader", "planner", "applier"),
}
"""Users of a stack that is not strict: gateway and pages in one process, one worker for all roles.
Made here, so that nobody finds them in a file for production."""
APART: Final = tuple(name for names in TOGETHER.values() for name in names)

_USER: Final = re.compile(
    r"(?m)^user (?P<name>\S+) reset on >(?P<password>\S+) (?P<root>[^(\n]*[^(\n ]) ?(?P<more>.*)$"
)
_SELECTOR: Final = re.compile(r"\(([^)]*)\)")
_PASSWORD: Final = re.compile(r"(?m)^user (?P<user>\S+) .*? >(?P<password>\S+)")


def prepare(places: Places, *, strict: bool = False) -> None:
    """Writes the users' file with fresh passwords: one user for each process, no other."""
    given = RIGHTS.read_text("ascii")
    deployed = {match["name"]: match for match in _USER.finditer(given)}
    others = [line for line in given.splitlines() if line.split(" ")[1] not in APART]
    if strict:
        own = [
            _with_password(name, deployed[name]["root"], deployed[name]["more"]) for name in APART
        ]
    else:
        own = [
            _with_password(name, "-@all", _together([deployed[one] for one in names]))
            for name, names in TOGETHER.items()
        ]
    write_text(places.redis_users, "\n".join([*others, *own, ""]))


def url(places: Places, port: int, user: str) -> str:
    """Returns the URL under which `user` of the prepared file reaches Redis.

    A user that is not in it (of the other kind of stack, or of an older version) has no password,
    and is let in nowhere.
    """
    found = _PASSWORD.finditer(places.redis_users.read_text("ascii"))
    passwords = {match["user"]: match["password"] for match in found}
    return f"redis://{user}:{passwords.get(user, '')}@127.0.0.1:{port}/0"


def _with_password(name: str, root: str, more: str) -> str:
    return f"user {name} reset on >{secrets.token_urlsafe(24)} {root} {more}"


def _together(users: Sequence[re.Match[str]]) -> str:
    """The rights of all as selectors, one for each set of commands with the keys of all.

    A command with several keys, as a read from three queues, must find them all in one selector.
    """
    keys_of: dict[str, dict[str, None]] = {}
    for user in users:
        for selector in (user["root"], *_SELECTOR.findall(user["more"])):
            keys, commands = _parted(selector)
            keys_of.setdefault(commands, {}).update(dict.fromkeys(keys))
    return " ".join(f"({' '.join([*keys, commands])})" for commands, keys in keys_of.items())


def _parted(selector: str) -> tuple[list[str], str]:
    """Keys and channels, and the commands on them."""
    words = selector.split(" ")
    commands = [word for word in words if word[0] in "+-"]
    return [word for word in words if word not in commands], " ".join(commands)
