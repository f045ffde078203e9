"""What the parts for laptops do so that containers, which know each other by name, can use them."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from dev.issuer.metadata import openid_configuration
from dev.issuer.settings import Settings
from dev.sandbox import kubeconfig
from dev.stack import pins
from dev.stack.client_key import main

ISSUER = "http://127.0.0.1:3011"


def metadata(tmp_path: Path, host: str) -> dict[str, str]:
    settings = Settings(state=tmp_path, issuer=ISSUER, allowed_hosts=("issuer:3011",))
    return openid_configuration(settings, host=host)


def test_programs_that_know_the_issuer_by_another_name_find_its_endpoints_there(
    tmp_path: Path,
) -> None:
    found = metadata(tmp_path, "issuer:3011")

    for name in ("token_endpoint", "jwks_uri", "pushed_authorization_request_endpoint"):
        assert found[name].startswith("http://issuer:3011/"), name
    assert found["issuer"] == ISSUER
    assert found["authorization_endpoint"] == f"{ISSUER}/authorize"


def test_no_other_name_appears_in_the_metadata(tmp_path: Path) -> None:
    assert metadata(tmp_path, "evil:3011") == metadata(tmp_path, "127.0.0.1:3011")


def test_a_sandbox_under_another_name_is_verified_by_the_name_in_its_certificate(
    tmp_path: Path,
) -> None:
    credentials = kubeconfig.prepare(tmp_path, ["applier"], datetime.now(UTC))

    (far,) = kubeconfig.write(tmp_path, credentials, "https://sandbox:6443")

    (cluster,) = json.loads(far.read_text())["clusters"]
    assert cluster["cluster"]["server"] == "https://sandbox:6443"
    assert cluster["cluster"]["tls-server-name"] == "localhost"


def test_the_client_key_pair_is_made_once(tmp_path: Path) -> None:
    arguments = ["--key", str(tmp_path / "key.pem"), "--jwks", str(tmp_path / "jwks.json")]
    assert main(arguments) == 0
    first = (tmp_path / "key.pem").read_bytes()

    assert main(arguments) == 0

    assert (tmp_path / "key.pem").read_bytes() == first
    assert '"d"' not in (tmp_path / "jwks.json").read_text()


def test_workers_keys_are_made_once_and_a_shell_can_pin_their_public_halves(
    tmp_path: Path,
) -> None:
    planner, applier, file = (tmp_path / name for name in ("planner", "applier", "pins.env"))
    arguments = ["--planner", str(planner), "--applier", str(applier), "--pins", str(file)]
    assert pins.main(arguments) == 0
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.key")}

    assert pins.main(arguments) == 0

    names = "INFRA_GATE_SEAL_PUBLIC_KEYS INFRA_GATE_PROOF_PUBLIC_KEY"
    script = f"set -a; . {file}; exec /usr/bin/env printenv {names}"
    told = subprocess.run(["sh", "-ec", script], env={}, capture_output=True, text=True, check=True)
    pinned = pins.pinned(planner=planner, applier=applier)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.key")} == first
    assert {path.name for path in first} == {"seal.key", "receipt.key", "proof.key"}
    assert told.stdout.split() == [*pinned.seals, pinned.proof]
