"""Private keys are made once, in Development only, and never read when others could."""

import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from shared.errors import BadConfiguration
from shared.messages import Role
from shared.seals import public_text
from shared.settings import WorkerSettings
from worker.keys import Keys, load_keys

PRODUCTION = {
    "INFRA_GATE_ENVIRONMENT": "Production",
    "INFRA_GATE_REDIS_URL": "rediss://worker:secret@redis.example:6379/0",
    "INFRA_GATE_OAUTH_AUTHORITY": "https://issuer.example",
    "INFRA_GATE_IN_CLUSTER": "true",
    "K8S_MCP_ALLOWED_NAMESPACES": "shop",
    "K8S_MCP_APPROVAL_ROOT": "/var/lib/infragate/evidence",
    "INFRA_GATE_GUARD_AUDIT_ROOT": "/var/lib/infragate/audit",
    "INFRA_GATE_POLICY_FILE": "/etc/infragate/policy.yaml",
}


def development(folder: Path, *roles: Role) -> WorkerSettings:
    return WorkerSettings(keys_root=folder, roles=roles or tuple(Role))


def production(folder: Path, *roles: Role, pinned: str = "") -> WorkerSettings:
    values = {
        **PRODUCTION,
        "INFRA_GATE_KEYS_ROOT": str(folder),
        "INFRA_GATE_WORKER_ROLES": ",".join(roles),
        "INFRA_GATE_SEAL_PUBLIC_KEYS": pinned,
    }
    return WorkerSettings(**values)  # type: ignore[arg-type]  # texts, as in the environment


def write(path: Path, key: Ed25519PrivateKey, mode: int = 0o600) -> None:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(mode)


def test_the_first_start_in_development_makes_the_keys_for_their_owner_only(tmp_path: Path) -> None:
    load_keys(development(tmp_path / "keys"))
    files = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "keys").iterdir()}
    assert files == {"seal.key": 0o600, "receipt.key": 0o600, "proof.key": 0o600}


def test_the_next_start_has_the_same_keys(tmp_path: Path) -> None:
    first, second = load_keys(development(tmp_path)), load_keys(development(tmp_path))
    assert _texts(first) == _texts(second)


def test_workers_that_start_at_once_agree_on_the_keys(tmp_path: Path) -> None:
    found: list[tuple[str, ...]] = []
    threads = [
        threading.Thread(target=lambda: found.append(_texts(load_keys(development(tmp_path)))))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"seal.key", "receipt.key", "proof.key"}


def test_each_role_has_its_own_keys_and_no_others(tmp_path: Path) -> None:
    reader = load_keys(development(tmp_path, Role.READ))
    planner = load_keys(development(tmp_path, Role.PLAN))
    applier = load_keys(development(tmp_path, Role.APPLY))
    assert reader == Keys()
    assert planner.seal is not None
    assert (planner.receipt, planner.proof) == (None, None)
    assert applier.seal is None
    assert applier.receipt is not None
    assert applier.proof is not None


def test_in_development_an_applier_believes_the_planner_that_shares_its_folder(
    tmp_path: Path,
) -> None:
    applier = load_keys(development(tmp_path, Role.APPLY))
    planner = load_keys(development(tmp_path, Role.PLAN))
    assert planner.seal is not None
    assert [public_text(key) for key in applier.seal_public] == [
        public_text(planner.seal.public_key())
    ]


def test_production_makes_no_key_and_names_the_missing_file(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match=r"seal\.key"):
        load_keys(production(tmp_path, Role.PLAN))
    assert list(tmp_path.iterdir()) == []


def test_in_production_an_applier_believes_exactly_the_pinned_planners(tmp_path: Path) -> None:
    pinned = public_text(Ed25519PrivateKey.generate().public_key())
    load_keys(development(tmp_path, Role.APPLY))  # leaves a seal key behind that must not count
    applier = load_keys(production(tmp_path, Role.APPLY, pinned=pinned))
    assert [public_text(key) for key in applier.seal_public] == [pinned]
    assert applier.seal is None


def test_an_unreadable_pinned_key_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="INFRA_GATE_SEAL_PUBLIC_KEYS"):
        load_keys(WorkerSettings(keys_root=tmp_path, seal_public_keys=("short",)))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_key_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    write(tmp_path / "seal.key", Ed25519PrivateKey.generate(), mode)
    with pytest.raises(BadConfiguration, match=r"seal\.key .* mode 0600"):
        load_keys(development(tmp_path, Role.PLAN))


def test_roots_key_may_be_read_by_our_group_as_kubernetes_mounts_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if os.getuid() != 0:
        pytest.skip("needs files that belong to root")
    write(tmp_path / "seal.key", Ed25519PrivateKey.generate(), 0o440)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert load_keys(development(tmp_path, Role.PLAN)).seal is not None


@pytest.mark.parametrize("content", [b"", b"rubbish", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_without_a_key_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "seal.key").write_bytes(content)
    (tmp_path / "seal.key").chmod(0o600)
    with pytest.raises(BadConfiguration, match=r"seal\.key holds no"):
        load_keys(development(tmp_path, Role.PLAN))


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    pem = generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    (tmp_path / "seal.key").write_bytes(pem)
    (tmp_path / "seal.key").chmod(0o600)
    with pytest.raises(BadConfiguration, match="must hold an Ed25519 key"):
        load_keys(development(tmp_path, Role.PLAN))


def test_a_folder_in_place_of_a_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seal.key").mkdir()
    with pytest.raises(BadConfiguration, match=r"seal\.key"):
        load_keys(development(tmp_path, Role.PLAN))


def _texts(keys: Keys) -> tuple[str, ...]:
    private = (keys.seal, keys.receipt, keys.proof)
    return tuple(public_text(key.public_key()) for key in private if key is not None)
