"""`keys show|make|rotate|retire` on real files; a private key is never printed."""

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from shared.seals import proof_key_from_text, public_text, signing_key_from_text
from tests.worker.ops.conftest import Answer
from worker.key_files import decryption_key, signing_key
from worker.ops.__main__ import main

Run = Callable[..., Answer]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.setenv("INFRA_GATE_KEYS_ROOT", str(folder))

    def run(*arguments: object) -> Answer:
        code = main(["keys", *map(str, arguments)])
        printed = capsys.readouterr()
        return Answer(code=code, out=printed.out, err=printed.err)

    return run


@pytest.fixture
def made(folder: Path, run: Run) -> Path:
    assert run("make", "--role", "all", "--to", folder).code == 0
    return folder


def setting(answer: Answer, name: str) -> list[str]:
    """The value of a line to paste, at its commas."""
    (line,) = (line for line in answer.out.splitlines() if line.startswith(f"{name}="))
    return line.removeprefix(f"{name}=").split(",")


@pytest.mark.parametrize(
    ("role", "files"),
    [
        ("plan", {"seal.key"}),
        ("apply", {"receipt.key", "proof.key"}),
        ("all", {"seal.key", "receipt.key", "proof.key"}),
    ],
)
def test_a_roles_keys_are_made_for_their_owner_only(
    folder: Path, run: Run, role: str, files: set[str]
) -> None:
    assert run("make", "--role", role, "--to", folder).code == 0
    assert {path.name for path in folder.iterdir()} == files
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
    assert folder.stat().st_mode & 0o777 == 0o700


def test_make_overwrites_nothing_and_then_makes_nothing(folder: Path, run: Run) -> None:
    run("make", "--role", "plan", "--to", folder)
    before = (folder / "seal.key").read_bytes()
    answer = run("make", "--role", "all", "--to", folder)
    assert answer.code == 1
    assert "seal.key is there already" in answer.err
    assert {path.name for path in folder.iterdir()} == {"seal.key"}
    assert (folder / "seal.key").read_bytes() == before


def test_show_says_what_the_settings_want(made: Path, run: Run) -> None:
    answer = run("show")
    (seal,) = map(signing_key_from_text, setting(answer, "INFRA_GATE_SEAL_PUBLIC_KEYS"))
    (receipt,) = map(signing_key_from_text, setting(answer, "INFRA_GATE_RECEIPT_PUBLIC_KEYS"))
    (proof,) = map(proof_key_from_text, setting(answer, "INFRA_GATE_PROOF_PUBLIC_KEY"))
    assert seal == signing_key(made / "seal.key").public_key()
    assert receipt == signing_key(made / "receipt.key").public_key()
    assert public_text(proof) == public_text(decryption_key(made / "proof.key").public_key())


def test_the_fingerprint_is_what_openssl_says(made: Path, run: Run) -> None:
    der = subprocess.run(
        ["openssl", "pkey", "-in", made / "seal.key", "-pubout", "-outform", "DER"],
        capture_output=True,
        check=True,
    ).stdout
    assert hashlib.sha256(der).hexdigest() in run("show").out


@pytest.mark.promise("private-keys-unprinted")
def test_no_action_prints_anything_of_a_private_key(made: Path, run: Run) -> None:
    private = {
        part
        for path in made.iterdir()
        for key in [load_pem_private_key(path.read_bytes(), None)]
        for part in (
            key.private_bytes_raw().hex(),  # type: ignore[union-attr]  # both of ours have it
            path.read_text().splitlines()[1],
        )
    }
    said = [run("show"), *(run("rotate", name) for name in ("seal", "receipt", "proof"))]
    said += [run("retire", name, "--now") for name in ("seal", "receipt", "proof")]
    printed = "".join(answer.out + answer.err for answer in said)
    assert not {part for part in private if part in printed}
    assert "PRIVATE" not in printed


@pytest.mark.parametrize("name", ["seal", "receipt"])
def test_a_rotated_signing_key_leaves_only_its_public_half(made: Path, run: Run, name: str) -> None:
    old = signing_key(made / f"{name}.key").public_key()
    answer = run("rotate", name)
    variable = f"INFRA_GATE_{name.upper()}_PUBLIC_KEYS"
    fresh = signing_key(made / f"{name}.key").public_key()
    assert fresh != old
    assert setting(answer, variable) == [public_text(fresh), public_text(old)]
    assert b"PRIVATE" not in (made / f"{name}.key.1").read_bytes()
    assert (made / f"{name}.key.1").stat().st_mode & 0o777 == 0o600


def test_a_rotated_decryption_key_stays_able_to_decrypt(made: Path, run: Run) -> None:
    old = decryption_key(made / "proof.key").private_bytes_raw()
    answer = run("rotate", "proof")
    fresh = decryption_key(made / "proof.key")
    assert decryption_key(made / "proof.key.1").private_bytes_raw() == old
    assert setting(answer, "INFRA_GATE_PROOF_PUBLIC_KEY") == [public_text(fresh.public_key())]


def test_what_was_rotated_twice_is_shown_newest_first(made: Path, run: Run) -> None:
    run("rotate", "seal")
    second = setting(run("rotate", "seal"), "INFRA_GATE_SEAL_PUBLIC_KEYS")
    assert setting(run("show"), "INFRA_GATE_SEAL_PUBLIC_KEYS") == second
    assert len(set(second)) == 3
    assert sorted(path.name for path in made.glob("seal*")) == [
        "seal.key",
        "seal.key.1",
        "seal.key.2",
    ]


def test_an_older_key_is_not_retired_while_something_may_need_it(made: Path, run: Run) -> None:
    run("rotate", "seal")
    answer = run("retire", "seal")
    assert answer.code == 1
    assert "60 minutes" in answer.err
    assert (made / "seal.key.1").exists()


def test_after_its_time_an_older_key_is_retired_and_shown_as_such(made: Path, run: Run) -> None:
    old = public_text(signing_key(made / "seal.key").public_key())
    run("rotate", "seal")
    os.utime(made / "seal.key.1", (1, 1))
    answer = run("retire", "seal")
    assert answer.code == 0, answer.err
    assert not (made / "seal.key.1").exists()
    shown = run("show")
    assert old not in setting(shown, "INFRA_GATE_SEAL_PUBLIC_KEYS")
    assert "retired, for checking old records" in shown.out
    assert old in shown.out


def test_there_may_be_nothing_to_retire(made: Path, run: Run) -> None:
    assert made.exists()
    assert run("retire", "proof").code == 0


@pytest.mark.parametrize("arguments", [("rotate", "seal"), ("retire", "seal", "--now"), ("show",)])
def test_without_keys_nothing_happens(folder: Path, run: Run, arguments: tuple[str, ...]) -> None:
    answer = run(*arguments)
    assert answer.code in (1, 2)
    assert "keys" in answer.err
    assert not folder.exists()


def test_a_key_that_others_can_read_is_not_rotated(made: Path, run: Run) -> None:
    (made / "seal.key").chmod(0o644)
    assert run("rotate", "seal").code == 2
    assert not (made / "seal.key.1").exists()


def test_a_key_of_another_kind_is_not_rotated(made: Path, run: Run) -> None:
    (made / "proof.key").write_bytes((made / "seal.key").read_bytes())
    assert run("rotate", "proof").code == 2
    assert isinstance(signing_key(made / "proof.key"), Ed25519PrivateKey)
