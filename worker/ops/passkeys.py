"""`passkeys begin|finish|show`: an operator enrolls the passkey of an approver. Needs no network.

`finish` believes no page: it verifies that a new passkey, whose user was recognized, answered the
very enrollment that `begin` made, on the approval pages' origin, and it prints the policy's lines
from what it verified. It cannot know whose hand held the passkey: people compare six words.
"""

import json
import os
import secrets
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError
from webauthn import verify_registration_response
from webauthn.helpers.cose import COSEAlgorithmIdentifier as Algorithm
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorAttestationResponse,
    CredentialDeviceType,
    RegistrationCredential,
)

from shared.addresses import host_of, origin_of
from shared.digests import base64url, from_base64url, words
from shared.enrollment import (
    ENROLLMENT_S,
    MAX_ANSWER_LENGTH,
    MAX_CODE_LENGTH,
    Enrolled,
    Enrollment,
    read_enrolled,
    read_enrollment,
)
from shared.errors import BadConfiguration, Refusal
from shared.settings import read_worker_settings
from worker.ops.telling import WELL, WRONG, complain, tell
from worker.passkeys import (
    ALGORITHMS,
    Passkey,
    address_problem,
    algorithm_of,
    client_refusal,
    verify,
)
from worker.policy import LoadedPolicy, load_policy

STDIN: Final = Path("-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A passkey that answered its enrollment."""

    passkey: Passkey
    synced: bool
    """Whether its private key may leave the device on which it was made."""


def add_arguments(parser: ArgumentParser) -> tuple[ArgumentParser, ...]:
    """Declares the options of `passkeys`; returns the parsers of its actions."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    begin = actions.add_parser("begin", help="begin an enrollment; prints a code for the person")
    begin.add_argument("enrollment", type=Path, help="file that remembers it; must not exist")
    begin.add_argument("--sub", required=True, help="the person's subject at the issuer")
    begin.add_argument("--iss", help="the issuer; default INFRA_GATE_OAUTH_AUTHORITY")
    begin.add_argument("--origin", help="the pages; default INFRA_GATE_APPROVAL_BASE_URL")
    begin.add_argument("--rp-id", help="the passkey's site; default the host of --origin")
    finish = actions.add_parser("finish", help="verify the person's text; prints policy lines")
    finish.add_argument("enrollment", type=Path, help="the file that `begin` made")
    finish.add_argument("--text", type=Path, default=STDIN, help="the person's text; default: -")
    show = actions.add_parser("show", help="the passkeys of a policy, with their six words")
    for action in (begin, show):
        action.add_argument("--policy", type=Path, help="default INFRA_GATE_POLICY_FILE")
    return begin, finish, show


def run(
    options: Namespace,
    clock: Callable[[], float] = time.time,  # noqa: TID251 - an operator's command, started here
) -> int:
    """Runs one action; returns its exit code.

    Raises:
        BadConfiguration: a file or option cannot be used; the text says which.
    """
    if options.action == "finish":
        return _finish(options, now=int(clock()))
    policy = load_policy(options.policy or read_worker_settings().policy_file)
    if options.action == "show":
        return _show(policy)
    return _begin(options, policy, now=int(clock()))


def verified(enrollment: Enrollment, enrolled: Enrolled) -> Verified | Refusal:
    """Returns the passkey that answered an enrollment, or why it cannot be believed."""
    client = from_base64url(enrolled.client_data)
    challenge, origin = enrollment.challenge(), enrollment.origin
    refusal = client_refusal(client, kind="webauthn.create", challenge=challenge, origin=origin)
    if refusal is not None:
        return refusal
    credential_id = from_base64url(enrolled.assertion.credential_id)
    credential = RegistrationCredential(
        id=enrolled.assertion.credential_id,
        raw_id=credential_id,
        response=AuthenticatorAttestationResponse(
            client_data_json=client,
            attestation_object=from_base64url(enrolled.attestation_object),
        ),
    )
    try:
        made = verify_registration_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=enrollment.rp_id,
            expected_origin=origin,
            require_user_verification=True,
            supported_pub_key_algs=[Algorithm(number) for number in ALGORITHMS],
        )
        passkey = Passkey(
            iss=enrollment.iss,
            sub=enrollment.sub,
            credential_id=base64url(made.credential_id),
            public_key=base64url(made.credential_public_key),
            rp_id=enrollment.rp_id,
        )
    except (WebAuthnException, ValidationError, ValueError, KeyError, TypeError) as problem:
        return Refusal(code="passkey_not_made", message=f"No passkey was made: {problem}")
    # Nothing signs a registration without attestation; the first answer is under the new key.
    answer = verify(enrolled.assertion, passkeys=(passkey,), challenge=challenge, origin=origin)
    if isinstance(answer, Refusal):
        return answer
    synced = made.credential_device_type is CredentialDeviceType.MULTI_DEVICE
    return Verified(passkey=passkey, synced=synced)


def policy_lines(passkey: Passkey) -> Iterator[str]:
    """Yields a passkey as an entry of the policy's `passkeys`; texts are JSON, which is YAML."""
    facts = passkey.model_dump(include={"iss", "sub", "rp_id", "credential_id", "public_key"})
    for number, (name, value) in enumerate(facts.items()):
        yield f"{'    ' if number else '  - '}{name}: {json.dumps(value)}"


def _begin(options: Namespace, policy: LoadedPolicy, *, now: int) -> int:
    iss = options.iss or read_worker_settings().oauth_authority
    address = options.origin or read_worker_settings().approval_base_url
    origin = origin_of(address)
    try:
        enrollment = Enrollment(
            iss=iss,
            sub=options.sub,
            rp_id=options.rp_id or host_of(address),
            origin=origin,
            random=base64url(secrets.token_bytes(32)),
            expires_at=now + ENROLLMENT_S,
            exclude=tuple(
                one.credential_id
                for one in policy.passkeys
                if (one.iss, one.sub) == (iss, options.sub)
            ),
        )
    except ValidationError as error:
        places = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors())
        raise BadConfiguration(f"The enrollment cannot begin: {places} cannot be so.") from None
    problem = address_problem({enrollment.rp_id}, origin)
    if problem is not None:
        raise BadConfiguration(f"The enrollment cannot begin: {problem}.")
    _keep(options.enrollment, enrollment)
    tell(f"Give this code to {enrollment.sub}, to be entered at {origin}/approvals/passkeys")
    tell("within a day. It is no secret; it is for this person and one passkey.")
    tell()
    tell(enrollment.code())
    tell()
    tell("They send back a text, and you compare six words with them:")
    tell(f"  passkeys finish {options.enrollment} --text FILE")
    return WELL


def _finish(options: Namespace, *, now: int) -> int:
    code = _read(options.enrollment, MAX_CODE_LENGTH)
    enrollment = read_enrollment(code, now=now)
    if isinstance(enrollment, Refusal):
        complain(f"{options.enrollment}: {enrollment.message}")
        return WRONG
    enrolled = read_enrolled(_read(options.text, MAX_ANSWER_LENGTH))
    result = enrolled if isinstance(enrolled, Refusal) else verified(enrollment, enrolled)
    if isinstance(result, Refusal):
        complain(f"{result.message} ({result.code}) Nothing was enrolled.")
        return WRONG
    passkey = result.passkey
    tell(f"A new passkey answered this enrollment of {passkey.sub} ({passkey.iss}), on")
    tell(f"{enrollment.origin}, with its user recognized by PIN or biometrics.")
    tell(f"  algorithm  {algorithm_of(passkey.key)}")
    tell(f"  kept       {'synced between devices' if result.synced else 'on one device'}")
    tell(f"  words      {words(passkey.digest)}")
    tell()
    tell(f"Now ask {passkey.sub}, face to face or by a call that you made, for the six words that")
    tell("their page showed. If they differ, stop: the text was changed on its way to you.")
    tell("If they are the same, put this into the policy and restart planners and appliers:")
    tell()
    tell("passkeys:")
    for line in policy_lines(passkey):
        tell(line)
    _forget(options.enrollment)
    return WELL


def _show(policy: LoadedPolicy) -> int:
    for one in policy.passkeys:
        tell(f"{words(one.digest)}  {one.sub} ({one.iss}) {one.name}".rstrip())
    return WELL


def _keep(path: Path, enrollment: Enrollment) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(enrollment.code() + "\n")
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be made ({error.strerror}).") from None


def _forget(path: Path) -> None:
    """One enrollment is for one passkey."""
    try:
        path.unlink()
    except OSError as error:
        complain(f"{path} cannot be deleted ({error.strerror}); do so yourself.")


def _read(path: Path, limit: int) -> str:
    try:
        with sys.stdin if path == STDIN else path.open(encoding="utf-8") as file:
            text = file.read(limit + 1)
    except (OSError, UnicodeDecodeError) as error:
        raise BadConfiguration(f"{path} cannot be read ({error}).") from None
    if len(text) > limit:
        raise BadConfiguration(f"{path} is longer than anything that belongs there.")
    return text.strip()
