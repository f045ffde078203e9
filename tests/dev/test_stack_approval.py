"""Whom `infragate approve` believes on a laptop: the keys in the workers' folders, nothing else."""

import time
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from dev.stack.approval import pinned
from dev.stack.places import Record
from shared.errors import BadConfiguration
from shared.seals import public_text
from worker.key_files import PROOF_FILE, RECEIPT_FILE, SEAL_FILE, make_key, public_half, rotate

RECORD = Record(
    pid=1,
    gateway_port=3001,
    issuer_port=3011,
    redis_port=1,
    sandbox_port=2,
    started_at=time.time(),
)


def test_keys_come_from_whichever_folder_has_them_also_those_from_before_a_rotation(
    tmp_path: Path,
) -> None:
    planner, applier = tmp_path / "planner", tmp_path / "applier"
    make_key(planner / SEAL_FILE, Ed25519PrivateKey.generate())
    make_key(applier / RECEIPT_FILE, Ed25519PrivateKey.generate())
    make_key(applier / PROOF_FILE, X25519PrivateKey.generate())
    before = public_text(public_half(planner / SEAL_FILE))
    rotate(planner / SEAL_FILE, Ed25519PrivateKey.generate())

    settings = pinned(RECORD, [planner, applier])

    assert settings.seal_public_keys == (public_text(public_half(planner / SEAL_FILE)), before)
    assert settings.receipt_public_keys == (public_text(public_half(applier / RECEIPT_FILE)),)
    assert settings.proof_public_key == public_text(public_half(applier / PROOF_FILE))
    assert settings.approval_base_url == RECORD.origin


def test_a_stack_whose_workers_never_started_has_no_keys_to_believe(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="INFRA_GATE_SEAL_PUBLIC_KEYS"):
        pinned(RECORD, [tmp_path])
