"""The command `doctor` as a whole, and what it says of keys, policy and folders."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dev.redis_server import RedisServer, free_port
from shared.messages import Role
from shared.plans import Identity
from shared.seals import public_text
from shared.settings import WorkerSettings
from tests.worker.authenticator import ORIGIN, Authenticator
from tests.worker.ops.doctoring import marks, provider, the_one
from worker.keys import load_keys
from worker.ops import local_checks
from worker.ops.diagnosis import Mark, fine

ROOT = Path(__file__).parents[3]
ISSUER = "http://127.0.0.1:3011"
NAMESPACE = "mcp-nginx-demo"


def doctor(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    foreign = ("INFRA_GATE_", "K8S_MCP_", "KUBE")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return subprocess.run(
        [sys.executable, "-m", "worker.ops", "doctor", *arguments],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**clean, **environment},
        text=True,
    )


def test_settings_that_cannot_be_used_end_it_with_exit_code_2() -> None:
    done = doctor(INFRA_GATE_ENVIRONMENT="Production", INFRA_GATE_NOTICE_SECRET="too-short")

    assert done.returncode == 2
    assert done.stdout.startswith("✗ settings")
    assert "INFRA_GATE_NOTICE_SECRET" in done.stdout
    assert "too-short" not in done.stdout + done.stderr
    assert done.stdout.count("\n") == 1


def test_everything_is_looked_at_even_when_everything_is_broken(tmp_path: Path) -> None:
    done = doctor(
        INFRA_GATE_OAUTH_AUTHORITY=f"http://127.0.0.1:{free_port()}",
        INFRA_GATE_REDIS_URL=f"redis://:very-secret@127.0.0.1:{free_port()}/0",
        KUBECONFIG=str(tmp_path / "none"),
        INFRA_GATE_KEYS_ROOT=str(tmp_path / "keys"),
        INFRA_GATE_GUARD_AUDIT_ROOT=str(tmp_path / "audit"),
        K8S_MCP_APPROVAL_ROOT=str(tmp_path / "evidence"),
    )

    lines = done.stdout.splitlines()
    assert done.returncode == 1, done.stderr
    assert [line.split()[1] for line in lines if line.startswith("✗")] == [
        "provider",
        "redis",
        "cluster",
        "policy",
    ]
    assert all(" → " in line for line in lines if line.startswith("✗"))
    assert "very-secret" not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_reader_with_nothing_wrong_ends_with_exit_code_0(
    tmp_path: Path, redis_server: RedisServer
) -> None:
    command = [sys.executable, "-m", "dev.sandbox", "--port", "0", "--state", str(tmp_path / "s")]
    with (
        provider() as issuer,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sandbox,
    ):
        assert sandbox.stdout is not None
        assert "ready" in sandbox.stdout.readline()
        policy = tmp_path / "policy.yaml"
        policy.write_text(json.dumps({"approvers": [rule(issuer)]}))
        done = doctor(
            "--roles",
            "read",
            INFRA_GATE_OAUTH_AUTHORITY=issuer,
            INFRA_GATE_REDIS_URL=redis_server.url,
            KUBECONFIG=str(tmp_path / "s" / "reader.kubeconfig"),
            INFRA_GATE_POLICY_FILE=str(policy),
            INFRA_GATE_GUARD_AUDIT_ROOT=str(tmp_path / "audit"),
        )
        sandbox.terminate()

    failures = [line for line in done.stdout.splitlines() if line.startswith("✗")]
    # The tests' shared Redis keeps nothing on purpose; all else must be fine.
    assert [line.partition(" → ")[0] for line in failures] == [
        "✗ redis      forgets on restart (appendonly no)"
    ], done.stdout + done.stderr


def rule(issuer: str = ISSUER, **changed: object) -> dict[str, object]:
    subjects = [{"iss": issuer, "sub": "ada"}]
    return {"namespaces": [NAMESPACE], "subjects": subjects, **changed}


def with_policy(folder: Path, text: str) -> WorkerSettings:
    path = folder / "policy.yaml"
    path.write_text(text)
    return WorkerSettings(policy_file=path, oauth_authority=ISSUER)


def test_a_policy_with_an_approver_for_each_namespace_is_fine(tmp_path: Path) -> None:
    found = list(local_checks.policy(with_policy(tmp_path, json.dumps({"approvers": [rule()]}))))

    assert marks(found) == {Mark.FINE}
    the_one(found, Mark.FINE, f"{NAMESPACE}: 1 may approve")


@pytest.mark.parametrize(
    ("text", "mark", "words"),
    [
        ("approvers: []", Mark.FAILED, f"{NAMESPACE}: nobody may approve"),
        ("approvers: [{nonsense: 1}]", Mark.FAILED, "cannot be used"),
        (
            json.dumps({"approvers": [rule("https://other")]}),
            Mark.FAILED,
            "another issuer",
        ),
        (
            json.dumps({"approvers": [rule(requester_may_approve=True)]}),
            Mark.WARNING,
            "approve their own plans",
        ),
    ],
)
def test_what_is_wrong_with_a_policy_is_named(
    tmp_path: Path, text: str, mark: Mark, words: str
) -> None:
    the_one(local_checks.policy(with_policy(tmp_path, text)), mark, words)


def test_passkeys_that_no_browser_could_use_and_people_without_one_are_named(
    tmp_path: Path,
) -> None:
    other = Authenticator().passkey(Identity(iss=ISSUER, sub="eve")).model_dump()
    text = json.dumps({"approvers": [rule(passkey="required")], "passkeys": [other]})
    settings = with_policy(tmp_path, text)

    the_one(local_checks.policy(settings), Mark.FAILED, "passkeys need approval pages with https")
    served = settings.model_copy(update={"approval_base_url": ORIGIN})
    the_one(local_checks.policy(served), Mark.FINE, "1 passkeys for pages of")
    the_one(local_checks.policy(served), Mark.WARNING, "ada needs a passkey and has none")


def test_without_a_policy_nobody_may_approve() -> None:
    the_one(local_checks.policy(WorkerSettings()), Mark.FAILED, "nobody may approve")


def test_keys_that_are_not_there_yet_are_not_made(tmp_path: Path) -> None:
    settings = WorkerSettings(keys_root=tmp_path / "keys")

    the_one(local_checks.keys(settings), Mark.NOT_CHECKED, "lacks seal.key, receipt.key")

    assert list(tmp_path.iterdir()) == []


def test_keys_that_are_there_are_fine(tmp_path: Path) -> None:
    settings = WorkerSettings(keys_root=tmp_path)
    load_keys(settings)

    the_one(local_checks.keys(settings), Mark.FINE, "readable by nobody else")


def test_a_key_that_others_can_read_is_a_failure(tmp_path: Path) -> None:
    settings = WorkerSettings(keys_root=tmp_path)
    load_keys(settings)
    (tmp_path / "proof.key").chmod(0o644)

    the_one(local_checks.keys(settings), Mark.FAILED, "make it mode 0600")


def test_a_planner_that_is_not_pinned_is_a_failure(tmp_path: Path) -> None:
    load_keys(WorkerSettings(keys_root=tmp_path))
    stranger = public_text(Ed25519PrivateKey.generate().public_key())
    settings = WorkerSettings(keys_root=tmp_path, seal_public_keys=(stranger,))

    found = list(local_checks.keys(settings))

    assert "SEAL_PUBLIC_KEYS" in the_one(found, Mark.FAILED, "nobody will believe").mend
    the_one(found, Mark.FINE, "planners pinned")


def test_a_reader_needs_no_keys(tmp_path: Path) -> None:
    settings = WorkerSettings(keys_root=tmp_path, roles=(Role.READ,))

    the_one(local_checks.keys(settings), Mark.NOT_CHECKED, "a reader needs none")


def test_folders_that_can_be_written_say_how_much_fits(tmp_path: Path) -> None:
    settings = WorkerSettings(audit_root=tmp_path, evidence_root=tmp_path / "new" / "deep")

    found = list(local_checks.folders(settings))

    assert marks(found) <= {Mark.FINE, Mark.WARNING}
    assert [line.about for line in found] == ["audit", "evidence"]
    assert "made at the first start" in found[1].said
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only folder does not stop root, who may run the tests; so the disk is full instead."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    line = the_one(
        local_checks.folders(WorkerSettings(audit_root=tmp_path, roles=(Role.READ,))),
        Mark.FAILED,
        "No space left",
    )

    assert "INFRA_GATE_GUARD_AUDIT_ROOT" in line.mend


def test_a_folder_that_is_a_file_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("")
    settings = WorkerSettings(audit_root=tmp_path / "audit", roles=(Role.READ,))

    the_one(local_checks.folders(settings), Mark.FAILED, "cannot be written")


def test_a_line_is_one_line() -> None:
    line = str(fine("policy", "a\nb\x1b[31m"))

    assert "\n" not in line
    assert "\x1b" not in line
