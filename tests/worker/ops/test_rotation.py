"""Keys are rotated while plans are under way: what was approved under the old ones is applied."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.errors import Refusal
from shared.messages import ProofCall
from shared.plans import Operation, Plan
from shared.seals import encrypt_proof, public_text
from tests.cluster.conftest import ClusterWorld, Kube
from tests.worker.ops.conftest import make_cluster_world, restart
from worker import approving
from worker.ops.__main__ import main

pytestmark = pytest.mark.cluster

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: ig-turned}
data: {count: "1"}
"""


@pytest.fixture
def here(kube: Kube, redis_url: str, tmp_path: Path) -> Iterator[ClusterWorld]:
    here = make_cluster_world(kube, redis_url, tmp_path)
    here.remove("ConfigMap", "ig-turned")
    yield here
    here.remove("ConfigMap", "ig-turned")
    here.world.redis.close()


def keys(here: ClusterWorld, *arguments: str) -> None:
    folder = here.world.context.settings.keys_root
    assert main(["keys", *arguments, "--keys", str(folder)]) == 0
    restart(here.world)


def rotate_all(here: ClusterWorld) -> None:
    for name in ("seal", "receipt", "proof"):
        keys(here, "rotate", name)


def asked(here: ClusterWorld) -> Plan:
    return here.plan(Operation.APPLY, manifest=CONFIG)


@pytest.mark.promise("rotation-overlaps")
def test_what_was_approved_under_the_old_keys_is_applied_under_the_new(here: ClusterWorld) -> None:
    plan = asked(here)
    here.approve(plan)
    before = here.world.context.keys
    rotate_all(here)
    after = here.world.context.keys

    assert here.apply(plan)["state"] == "applied"
    assert before.seal is not None
    assert after.seal is not None
    assert public_text(before.seal.public_key()) != public_text(after.seal.public_key())


@pytest.mark.promise("rotation-overlaps")
def test_a_login_that_was_under_way_during_a_rotation_still_approves(here: ClusterWorld) -> None:
    """Statement signed, and proof encrypted, under the old keys; verified under the new ones."""
    plan = asked(here)
    signed = here.world.challenge(plan_id=plan.id)
    old = here.world.context.keys.proof
    assert old is not None
    token = here.world.provider.id_token(**here.world.claims(signed))
    sealed = encrypt_proof(old.public_key(), token, statement=signed.statement.document())
    rotate_all(here)

    call = ProofCall(plan_id=plan.id, signed=signed, sealed_token=sealed)
    answer = approving.prove(call, here.world.context)
    assert not isinstance(answer, Refusal), answer
    assert here.apply(plan)["state"] == "applied"


def test_a_retired_receipt_key_approves_nothing_more(here: ClusterWorld) -> None:
    plan = asked(here)
    here.approve(plan)
    keys(here, "rotate", "receipt")
    keys(here, "retire", "receipt", "--now")
    assert here.refusal(plan).code == "receipt_forged"


def test_a_retired_seal_key_seals_nothing_more(here: ClusterWorld) -> None:
    plan = asked(here)
    keys(here, "rotate", "seal")
    keys(here, "retire", "seal", "--now")
    assert here.refusal(plan).code == "plan_seal_broken"


def test_a_retired_proof_key_opens_nothing_more(here: ClusterWorld) -> None:
    plan = asked(here)
    signed = here.world.challenge(plan_id=plan.id)
    old = here.world.context.keys.proof
    assert old is not None
    token = here.world.provider.id_token(**here.world.claims(signed))
    sealed = encrypt_proof(old.public_key(), token, statement=signed.statement.document())
    keys(here, "rotate", "proof")
    keys(here, "retire", "proof", "--now")

    call = ProofCall(plan_id=plan.id, signed=signed, sealed_token=sealed)
    answer = approving.prove(call, here.world.context)
    assert isinstance(answer, Refusal)
    assert answer.code == "proof_unreadable"


def test_records_from_before_a_rotation_verify_after_everything_old_is_retired(
    here: ClusterWorld, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = asked(here)
    here.approve(plan)
    here.apply(plan)
    settings, anchoring = here.world.context.settings, here.world.context.anchoring
    assert anchoring is not None
    assert anchoring.anchor()
    rotate_all(here)
    for name in ("seal", "receipt", "proof"):
        keys(here, "retire", name, "--now")

    monkeypatch.setenv("INFRA_GATE_KEYS_ROOT", str(settings.keys_root))
    monkeypatch.setenv("INFRA_GATE_GUARD_AUDIT_ROOT", str(settings.audit_root))
    monkeypatch.setenv("INFRA_GATE_AUDIT_ANCHOR_ROOT", str(settings.anchors))
    monkeypatch.setenv("K8S_MCP_APPROVAL_ROOT", str(settings.evidence_root))
    capsys.readouterr()
    assert main(["audit", "verify"]) == 0, capsys.readouterr().out
