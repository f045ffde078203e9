"""The demo people who can sign in. What each may approve is the workers' policy, not here."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody to sign in as; `subject` is the `sub` of their tokens."""

    subject: str
    name: str
    note: str


PEOPLE: Mapping[str, Person] = MappingProxyType(
    {
        person.subject: person
        for person in (
            Person(subject="dev-approver", name="Ada Approver", note="approves changes"),
            Person(
                subject="dev-approver-2",
                name="Grace Second-Approver",
                note="the second of two, where two must approve",
            ),
            Person(
                subject="dev-requester",
                name="Rob Requester",
                note="asks for changes, usually through an agent",
            ),
            Person(subject="dev-outsider", name="Olga Outsider", note="may approve nothing"),
        )
    }
)
