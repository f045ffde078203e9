"""The users of a stack's Redis: the rights of deploy/redis/users.acl, passwords of their own.

So every run on a laptop shows that gateway and workers need no more than they are given there.
"""

import re
import secrets
from typing import Final

from dev.issuer.files import write_text
from dev.stack.places import REPOSITORY, Places

RIGHTS: Final = REPOSITORY / "deploy" / "redis" / "users.acl"
_PASSWORD: Final = re.compile(r"(?m)^user (?P<user>\S+) .*? >(?P<password>\S+)")


def prepare(places: Places) -> None:
    """Writes the users' file with fresh passwords."""

    def fresh(match: re.Match[str]) -> str:
        return match[0].replace(f">{match['password']}", f">{secrets.token_urlsafe(24)}")

    write_text(places.redis_users, _PASSWORD.sub(fresh, RIGHTS.read_text("ascii")))


def url(places: Places, port: int, user: str) -> str:
    """Returns the URL under which `user` of the prepared file reaches Redis."""
    found = _PASSWORD.finditer(places.redis_users.read_text("ascii"))
    passwords = {match["user"]: match["password"] for match in found}
    return f"redis://{user}:{passwords[user]}@127.0.0.1:{port}/0"
