"""What `doctor` says of an identity provider: each lack by name, with its mend."""

import json
import time
from email.utils import formatdate

import pytest

from dev.redis_server import free_port
from shared.settings import WorkerSettings
from tests.worker.ops.doctoring import marks, provider, the_one
from worker.ops import provider_checks
from worker.ops.diagnosis import Diagnosis, Mark


def checked(issuer: str) -> list[Diagnosis]:
    return list(provider_checks.check(WorkerSettings(oauth_authority=issuer), time.time))


def test_a_good_provider_is_fine_throughout() -> None:
    with provider() as issuer:
        found = checked(issuer)

    assert marks(found) == {Mark.FINE}
    assert len(found) == 9


def test_a_provider_that_is_away_ends_the_group_with_one_line() -> None:
    (line,) = checked(f"http://127.0.0.1:{free_port()}")

    assert line.mark is Mark.FAILED
    assert "nobody listens there" in line.said
    assert "INFRA_GATE_OAUTH_AUTHORITY" in line.mend


def test_an_issuer_that_differs_by_a_slash_is_another_one() -> None:
    with provider({"issuer": "http://127.0.0.1:1/"}) as issuer:
        (line,) = checked(issuer)

    assert (line.mark, "'http://127.0.0.1:1/'" in line.said) == (Mark.FAILED, True)
    assert "exactly" in line.mend


@pytest.mark.parametrize(
    ("field", "value", "mark", "words"),
    [
        ("pushed_authorization_request_endpoint", None, Mark.FAILED, "pushed authorization"),
        ("code_challenge_methods_supported", ["plain"], Mark.FAILED, "S256"),
        ("code_challenge_methods_supported", None, Mark.NOT_CHECKED, "S256"),
        ("token_endpoint_auth_methods_supported", ["none"], Mark.FAILED, "private_key_jwt"),
        ("prompt_values_supported", ["none"], Mark.FAILED, "prompt=login"),
        ("prompt_values_supported", None, Mark.NOT_CHECKED, "prompt=login"),
        ("claims_supported", ["sub"], Mark.WARNING, "auth_time"),
        ("claims_supported", None, Mark.WARNING, "auth_time"),
        ("authorization_response_iss_parameter_supported", None, Mark.WARNING, "RFC 9207"),
        ("jwks_uri", None, Mark.FAILED, "jwks_uri"),
    ],
)
def test_what_the_metadata_lack_is_named(field: str, value: object, mark: Mark, words: str) -> None:
    with provider({field: value}) as issuer:
        found = checked(issuer)

    the_one(found, mark, words)
    assert sum(line.mark is not Mark.FINE for line in found) == 1


@pytest.mark.parametrize("keys", [{"keys": []}, {"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}, []])
def test_keys_that_sign_nothing_are_a_failure(keys: object) -> None:
    with provider(keys=keys) as issuer:
        line = the_one(checked(issuer), Mark.FAILED, "key set")

    assert "asymmetric" in line.mend
    assert "c2VjcmV0" not in json.dumps(str(line))


@pytest.mark.parametrize(
    ("off_s", "mark"), [(0, Mark.FINE), (-4, Mark.FINE), (12, Mark.WARNING), (-40, Mark.FAILED)]
)
def test_clocks_that_differ_are_said_to(off_s: int, mark: Mark) -> None:
    with provider(date=formatdate(time.time() + off_s, usegmt=True)) as issuer:
        found = checked(issuer)

    line = the_one(found, mark, "clock")
    if mark is not Mark.FINE:
        assert ("ahead of" in line.said) == (off_s > 0)
        assert "NTP" in line.mend


def test_a_provider_cannot_write_lines_of_its_own_into_the_report() -> None:
    with provider({"issuer": "x\n✓ provider all is well\x1b[2J\u202e"}) as issuer:
        (line,) = checked(issuer)

    printed = str(line)
    assert "\n" not in printed
    assert "\x1b" not in printed
    assert "\u202e" not in printed
