"""An operator enrolls a passkey: what is verified of the person's text, and what is printed."""

import re
from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path

import pytest

from shared.digests import base64url, words
from shared.enrollment import ENROLLMENT_S, Enrolled, Enrollment, read_enrollment
from shared.errors import BadConfiguration, Refusal
from tests.worker.authenticator import ORIGIN, UP, Authenticator, raw
from tests.worker.worlds import ADA, ISSUER, NOW
from worker.ops import passkeys
from worker.passkeys import subject_public_key_info
from worker.policy import load_policy

Run = Callable[..., int]


@pytest.fixture
def run() -> Run:
    """Runs the command as typed, at a time of its own."""
    parser = ArgumentParser()
    passkeys.add_arguments(parser)

    def command(*arguments: object, now: float = NOW) -> int:
        return passkeys.run(parser.parse_args([str(one) for one in arguments]), lambda: now)

    return command


@pytest.fixture
def begun(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Enrollment:
    """The enrollment that a person reads from the code they were given."""
    code = run("begin", tmp_path / "ada", "--sub", "ada", "--iss", ISSUER, "--origin", ORIGIN + "/")
    printed = capsys.readouterr().out.splitlines()
    assert code == 0
    enrollment = read_enrollment(max(printed, key=len), now=NOW)
    assert isinstance(enrollment, Enrollment)
    return enrollment


def finish(run: Run, folder: Path, enrolled: Enrolled | str, now: float = NOW) -> int:
    text = enrolled if isinstance(enrolled, str) else enrolled.model_dump_json()
    (folder / "text").write_text(text + "\n", "utf-8")
    return run("finish", folder / "ada", "--text", folder / "text", now=now)


@pytest.mark.promise("passkey-enrollment-is-verified")
def test_the_lines_that_are_printed_are_a_policy_that_knows_the_new_passkey(
    run: Run, tmp_path: Path, begun: Enrollment, capsys: pytest.CaptureFixture[str]
) -> None:
    ada = Authenticator()

    assert finish(run, tmp_path, ada.create(begun)) == 0

    told = capsys.readouterr().out
    passkey = ada.passkey(ADA)
    assert f"words      {words(passkey.digest)}" in told
    policy = tmp_path / "policy.yaml"
    policy.write_text(told[told.index("passkeys:") :], "utf-8")
    assert load_policy(policy).passkeys == (passkey,)
    assert run("show", "--policy", policy) == 0
    assert capsys.readouterr().out == f"{words(passkey.digest)}  ada ({ISSUER})\n"


def test_an_enrollment_is_finished_once(
    run: Run, tmp_path: Path, begun: Enrollment, capsys: pytest.CaptureFixture[str]
) -> None:
    enrolled = Authenticator().create(begun)
    assert finish(run, tmp_path, enrolled) == 0

    with pytest.raises(BadConfiguration, match="cannot be read"):
        finish(run, tmp_path, enrolled)
    assert "passkeys:" in capsys.readouterr().out


def test_a_second_passkey_names_the_first_as_known(
    run: Run, tmp_path: Path, begun: Enrollment, capsys: pytest.CaptureFixture[str]
) -> None:
    ada = Authenticator()
    finish(run, tmp_path, ada.create(begun))
    told = capsys.readouterr().out
    policy = tmp_path / "policy.yaml"
    policy.write_text(told[told.index("passkeys:") :], "utf-8")

    run("begin", tmp_path / "2", "--sub", "ada", "--iss", ISSUER, "--origin", ORIGIN,
        "--policy", policy)  # fmt: skip

    code = (tmp_path / "2").read_text("ascii").strip()
    second = read_enrollment(code, now=NOW)
    assert isinstance(second, Enrollment)
    assert second.exclude == (ada.passkey(ADA).credential_id,)
    assert second.random != begun.random


@pytest.mark.promise("passkey-enrollment-is-verified")
@pytest.mark.parametrize(
    ("bend", "code"),
    [
        (lambda ada, _, begun: ada.create(begun, type="webauthn.get"), "passkey_type"),
        (lambda ada, _, begun: ada.create(begun, origin="https://evil.test"), "passkey_origin"),
        (lambda ada, _, begun: ada.create(begun, crossOrigin=True), "passkey_cross_origin"),
        (
            lambda ada, _, begun: ada.create(begun.model_copy(update={"sub": "eve"})),
            "passkey_challenge",
        ),
        (
            lambda ada, _, begun: ada.create(
                begun.model_copy(update={"random": base64url(bytes(32))})
            ),
            "passkey_challenge",
        ),
        (
            # Nothing signs the registration itself: the answer of the key does.
            lambda ada, eve, begun: eve.create(begun).model_copy(
                update={"assertion": ada.get(begun.challenge())}
            ),
            "passkey_unknown",
        ),
        (
            lambda ada, _, begun: ada.create(begun).model_copy(
                update={"assertion": ada.get(bytes(32))}
            ),
            "passkey_challenge",
        ),
        (
            lambda ada, eve, begun: ada.create(begun).model_copy(
                update={
                    "assertion": Authenticator(credential_id=ada.credential_id, key=eve.key).get(
                        begun.challenge()
                    )
                }
            ),
            "passkey_signature",
        ),
        (
            lambda ada, _, begun: ada.create(begun).model_copy(
                update={"attestation_object": base64url(b"\xa0")}
            ),
            "passkey_not_made",
        ),
    ],
    ids=[
        "no registration",
        "another page",
        "framed",
        "another person",
        "another enrollment",
        "another key answers",
        "an old answer",
        "a posing key",
        "no attestation object",
    ],
)
def test_a_text_that_no_new_passkey_made_for_this_enrollment_enrolls_nothing(
    run: Run,
    tmp_path: Path,
    begun: Enrollment,
    capsys: pytest.CaptureFixture[str],
    bend: Callable[[Authenticator, Authenticator, Enrollment], Enrolled],
    code: str,
) -> None:
    assert finish(run, tmp_path, bend(Authenticator(), Authenticator(), begun)) == 1

    said = capsys.readouterr()
    assert code in said.err
    assert "passkeys:" not in said.out
    assert (tmp_path / "ada").exists()


@pytest.mark.parametrize(
    "authenticator", [Authenticator(flags=UP), Authenticator(rp_id="evil.test")]
)
def test_a_passkey_of_another_site_or_without_its_user_is_not_enrolled(
    run: Run,
    tmp_path: Path,
    begun: Enrollment,
    capsys: pytest.CaptureFixture[str],
    authenticator: Authenticator,
) -> None:
    assert finish(run, tmp_path, authenticator.create(begun)) == 1
    assert "passkey_not_made" in capsys.readouterr().err


@pytest.mark.promise("passkey-enrollment-is-verified")
def test_a_key_that_was_put_in_on_the_way_has_other_words(
    run: Run, tmp_path: Path, begun: Enrollment, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever has the code can enroll a key of their own: that is what the words are for."""
    ada, eve = Authenticator(), Authenticator()
    shown = words(ada.passkey(ADA).digest)

    assert finish(run, tmp_path, eve.create(begun)) == 0

    assert shown not in capsys.readouterr().out


def test_a_text_that_is_cut_or_too_long_is_refused(
    run: Run, tmp_path: Path, begun: Enrollment, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = Authenticator().create(begun).model_dump_json()
    for text in (whole[:-9], "", "{}"):
        assert finish(run, tmp_path, text) == 1
    assert capsys.readouterr().err.count("enrollment_unreadable") == 3
    with pytest.raises(BadConfiguration, match="longer"):
        finish(run, tmp_path, whole + " " * 20_000)


def test_an_enrollment_ends_after_a_day(
    run: Run, tmp_path: Path, begun: Enrollment, capsys: pytest.CaptureFixture[str]
) -> None:
    enrolled = Authenticator().create(begun)

    assert finish(run, tmp_path, enrolled, now=NOW + ENROLLMENT_S) == 1
    assert "too long ago" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--origin", "http://127.0.0.1:3001"), "https://"),
        (("--origin", ORIGIN, "--rp-id", "other.example.com"), "ends with that name"),
        (("--origin", ORIGIN, "--rp-id", "https://x"), "rp_id"),
    ],
)
def test_an_enrollment_that_no_browser_could_carry_out_does_not_begin(
    run: Run, tmp_path: Path, options: tuple[str, ...], problem: str
) -> None:
    with pytest.raises(BadConfiguration, match=problem):
        run("begin", tmp_path / "ada", "--sub", "ada", "--iss", ISSUER, *options)
    assert not (tmp_path / "ada").exists()


def test_nothing_is_overwritten_and_nobody_else_reads_it(
    run: Run, tmp_path: Path, begun: Enrollment
) -> None:
    assert (tmp_path / "ada").stat().st_mode & 0o777 == 0o600
    with pytest.raises(BadConfiguration, match="cannot be made"):
        run("begin", tmp_path / "ada", "--sub", "ada", "--iss", ISSUER, "--origin", ORIGIN)
    assert read_enrollment(begun.code(), now=NOW) == begun


@pytest.mark.parametrize("code", ["", "!", base64url(b"{}"), "A" * 9000, "e30="])
def test_what_is_no_code_is_refused(code: str) -> None:
    assert isinstance(read_enrollment(code, now=NOW), Refusal)


def test_the_words_of_page_and_command_are_of_the_same_bytes(begun: Enrollment) -> None:
    ada = Authenticator()

    key = ada.passkey(ADA).key
    assert raw(ada.create(begun).public_key) == subject_public_key_info(key)
    assert re.fullmatch(r"[a-z]+( [a-z]+){5}", words(ada.passkey(ADA).digest))
