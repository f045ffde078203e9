"""Key files are rotated and retired so that no crash or race leaves a worker without a key."""

import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from shared.errors import BadConfiguration
from shared.messages import Role
from shared.seals import public_text
from tests.worker.test_keys import development, production
from worker.key_files import make_key, older, retire, retired, rotate, signing_key, signing_public
from worker.keys import load_keys


@pytest.fixture
def path(tmp_path: Path) -> Path:
    assert make_key(tmp_path / "seal.key", Ed25519PrivateKey.generate())
    return tmp_path / "seal.key"


def test_a_key_that_is_there_is_not_made_again(path: Path) -> None:
    before = path.read_bytes()
    assert not make_key(path, Ed25519PrivateKey.generate())
    assert path.read_bytes() == before


def test_older_keys_are_listed_newest_first_and_nothing_else_is_one(path: Path) -> None:
    for name in ("seal.key.2", "seal.key.10", "seal.key.1", "seal.key.x", "seal.key.01", "x.key.3"):
        path.with_name(name).touch()
    assert [file.name for file in older(path)] == ["seal.key.10", "seal.key.2", "seal.key.1"]


@pytest.mark.parametrize("step", ["link", "rename"])
def test_a_kill_in_the_middle_of_a_rotation_loses_no_key(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    old = public_text(signing_key(path).public_key())

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", killed) if step == "link" else patch.setattr(
            Path, "replace", killed
        )
        with pytest.raises(KeyboardInterrupt):
            rotate(path, Ed25519PrivateKey.generate())
    assert public_text(signing_key(path).public_key()) == old

    rotate(path, Ed25519PrivateKey.generate())
    assert old in [public_text(signing_public(file)) for file in older(path)]


def test_of_several_rotations_at_once_no_key_is_lost(path: Path) -> None:
    keys = [Ed25519PrivateKey.generate() for _ in range(4)]
    old = signing_key(path)
    threads = [threading.Thread(target=rotate, args=(path, key)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    there = [public_text(signing_public(file)) for file in (path, *older(path))]
    assert sorted(there) == sorted(public_text(key.public_key()) for key in (old, *keys))


def test_a_retired_key_is_kept_as_its_public_half_only(path: Path) -> None:
    old = public_text(signing_key(path).public_key())
    kept = retire(rotate(path, Ed25519PrivateKey.generate()))
    assert older(path) == ()
    assert retired(path.parent, "seal.key") == (kept,)
    assert public_text(signing_public(kept)) == old


def test_a_decryption_key_has_no_signing_half(tmp_path: Path) -> None:
    make_key(tmp_path / "proof.key", X25519PrivateKey.generate())
    with pytest.raises(BadConfiguration, match="Ed25519"):
        signing_public(tmp_path / "proof.key")


def test_a_worker_believes_and_reads_what_was_before_the_rotation(tmp_path: Path) -> None:
    before = load_keys(development(tmp_path))
    rotate(tmp_path / "seal.key", Ed25519PrivateKey.generate())
    rotate(tmp_path / "receipt.key", Ed25519PrivateKey.generate())
    rotate(tmp_path / "proof.key", X25519PrivateKey.generate())
    after = load_keys(development(tmp_path))

    assert after.seal_public[1:] == before.seal_public
    assert after.receipt_public[1:] == before.receipt_public
    assert before.proof is not None
    assert [key.private_bytes_raw() for key in after.proofs[1:]] == [
        before.proof.private_bytes_raw()
    ]


def test_retired_keys_are_not_believed_by_workers(tmp_path: Path) -> None:
    load_keys(development(tmp_path))
    retire(rotate(tmp_path / "receipt.key", Ed25519PrivateKey.generate()))
    assert len(load_keys(development(tmp_path)).receipt_public) == 1


def test_in_production_an_applier_believes_itself_and_the_pinned_appliers(tmp_path: Path) -> None:
    load_keys(development(tmp_path, Role.APPLY))
    seal, other = (public_text(Ed25519PrivateKey.generate().public_key()) for _ in range(2))
    settings = production(tmp_path, Role.APPLY, pinned=seal)
    own = load_keys(settings).receipt_public
    both = load_keys(settings.model_copy(update={"receipt_public_keys": (other,)})).receipt_public
    assert [public_text(key) for key in both] == [public_text(own[0]), other]


def test_an_unreadable_pinned_applier_is_refused_by_the_settings_name(tmp_path: Path) -> None:
    settings = development(tmp_path).model_copy(update={"receipt_public_keys": ("short",)})
    with pytest.raises(BadConfiguration, match="INFRA_GATE_RECEIPT_PUBLIC_KEYS"):
        load_keys(settings)


def test_an_older_key_that_others_can_read_is_refused(path: Path) -> None:
    rotate(path, Ed25519PrivateKey.generate()).chmod(0o644)
    with pytest.raises(BadConfiguration, match=r"seal\.key\.1 .* mode 0600"):
        load_keys(development(path.parent, Role.PLAN))
