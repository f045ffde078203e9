"""Kubeconfigs and service accounts: what is read, what is refused, what is called a hazard."""

import base64
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from shared.errors import BadConfiguration, Unauthorized
from tests.worker.canned import CannedServer, kubeconfig
from worker.cluster import Cluster, access
from worker.cluster.access import TokenFile, access_from


def test_the_current_context_chooses_server_and_token(tmp_path: Path) -> None:
    found = access_from(kubeconfig(tmp_path, "https://10.0.0.1:6443/prefix/"))

    assert found.server == "https://10.0.0.1:6443/prefix"
    assert found.credentials.headers() == {"Authorization": "Bearer t0ken"}
    assert found.tls is not None
    assert found.tls.verify_mode is ssl.CERT_REQUIRED
    assert found.hazards == ()


@pytest.mark.promise("unsafe-kubeconfig")
@pytest.mark.parametrize(
    ("server", "user", "cluster", "hazard"),
    [
        (
            "https://c",
            {"token": "x"},
            {"insecure-skip-tls-verify": True},
            "insecure-skip-tls-verify",
        ),
        ("http://10.0.0.1", {"token": "x"}, {}, "plain-http"),
        ("https://c", {"exec": {"command": "true"}}, {}, "exec-plugin"),
        ("https://c", {"auth-provider": {"name": "oidc"}}, {}, "auth-provider"),
        ("https://c", {"username": "u", "password": "p"}, {}, "basic-auth"),
    ],
)
def test_what_production_must_refuse_is_a_hazard(
    tmp_path: Path, server: str, user: dict[str, Any], cluster: dict[str, Any], hazard: str
) -> None:
    path = kubeconfig(tmp_path, server, user=user, **cluster)

    assert Cluster.connect(path, name="c").hazards == (hazard,)


def test_plain_http_on_loopback_is_how_the_sandbox_works(tmp_path: Path) -> None:
    assert access_from(kubeconfig(tmp_path, "http://127.0.0.1:8001")).hazards == ()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "- a",
        "{unclosed: hunter2",
        "current-context: nowhere\ncontexts: []",
        yaml.safe_dump({"current-context": "x", "contexts": [{"name": "x", "context": {}}]}),
    ],
)
def test_a_file_that_is_no_kubeconfig_is_refused_without_repeating_it(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(BadConfiguration) as caught:
        access_from(path)

    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="cannot be read"):
        access_from(tmp_path / "none")


def test_impersonation_is_refused_rather_than_ignored(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, "https://c", user={"token": "x", "as": "somebody-small"})

    with pytest.raises(BadConfiguration, match="impersonation"):
        access_from(path)


@pytest.mark.parametrize("server", ["", "file:///etc/passwd", "c:6443"])
def test_a_server_must_be_http_or_https(tmp_path: Path, server: str) -> None:
    with pytest.raises(BadConfiguration, match="http"):
        access_from(kubeconfig(tmp_path, server))


def test_a_broken_certificate_authority_is_refused(tmp_path: Path) -> None:
    data = base64.b64encode(b"no certificate").decode()
    authority: dict[str, Any] = {"certificate-authority-data": data}
    path = kubeconfig(tmp_path, "https://c", **authority)

    with pytest.raises(BadConfiguration, match="not PEM"):
        access_from(path)


def test_a_token_file_wins_and_is_read_again_when_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, clock = tmp_path / "token", [1000.0]
    token.write_text("one\n", encoding="ascii")
    monkeypatch.setattr("worker.cluster.access.time.monotonic", lambda: clock[0])
    user = {"tokenFile": "token", "token": "stale"}
    credentials = access_from(kubeconfig(tmp_path, "https://c", user=user)).credentials

    assert credentials.headers() == {"Authorization": "Bearer one"}
    token.write_text("two", encoding="ascii")
    assert credentials.headers() == {"Authorization": "Bearer one"}
    clock[0] += 61
    assert credentials.headers() == {"Authorization": "Bearer two"}


def test_an_empty_token_file_is_unauthorized(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("\n", encoding="ascii")

    with pytest.raises(Unauthorized):
        TokenFile(tmp_path / "token").headers()


def test_without_kubeconfig_the_pod_itself_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = ssl.get_default_verify_paths()
    authority = Path(pem.cafile or pem.openssl_cafile)
    (tmp_path / "ca.crt").write_text(_first_certificate(authority), encoding="ascii")
    (tmp_path / "token").write_text("mounted", encoding="ascii")
    monkeypatch.setattr(access, "SERVICE_ACCOUNT", tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")

    found = access_from(None)

    assert found.server == "https://[fd00::1]:443"
    assert found.credentials.headers() == {"Authorization": "Bearer mounted"}
    assert len(found.ca_sha256) == 64


def _first_certificate(bundle: Path) -> str:
    if not bundle.is_file():
        pytest.skip("no certificates on this machine")
    end = "-----END CERTIFICATE-----"
    text = bundle.read_text(encoding="utf-8", errors="ignore")
    return text[text.index("-----BEGIN CERTIFICATE-----") : text.index(end)] + end + "\n"


def test_outside_a_cluster_there_must_be_a_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)

    with pytest.raises(BadConfiguration, match="No kubeconfig"):
        access_from(None)


def test_an_exec_plugin_runs_at_the_first_call_and_not_before(
    server: CannedServer, tmp_path: Path
) -> None:
    """The plugin is a real program, run by the official client."""
    ran = tmp_path / "ran"
    script = tmp_path / "plugin"
    credential = (
        '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
        '"status":{"token":"from-plugin"}}'
    )
    script.write_text(f"#!/bin/sh\ntouch {ran}\necho '{credential}'\n", encoding="utf-8")
    script.chmod(0o700)
    plugin = {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": str(script),
        "interactiveMode": "Never",
    }
    path = kubeconfig(tmp_path, server.url, user={"exec": plugin})
    cluster = Cluster.connect(path, name="c")
    assert not ran.exists()

    cluster.get("Pod", "shop", "web")

    assert ran.exists()
    assert server.requests[0].headers["Authorization"] == "Bearer from-plugin"


def test_a_plugin_that_fails_is_not_replaced_by_nobody(
    server: CannedServer, tmp_path: Path
) -> None:
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/false"}
    path = kubeconfig(tmp_path, server.url, user={"exec": plugin})

    with pytest.raises(Unauthorized):
        Cluster.connect(path, name="c").get("Pod", "shop", "web")

    assert server.requests == []


def test_the_door_opens_without_the_official_client() -> None:
    """It costs 0.9 s of CPU and 19 MB, and only exec plugins need it."""
    code = "import sys, worker.cluster; sys.exit('kubernetes' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
