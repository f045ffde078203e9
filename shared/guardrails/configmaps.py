"""Rules for ConfigMaps, and what their keys and values look like. No value leaves this module."""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from shared.guardrails.rules import Violation, violation
from shared.manifests import JSON, mapping_at, path_text, shown

MAX_DATA_BYTES: Final = 1024 * 1024
"""Keys and values together. Source: kubernetes.io, "ConfigMaps"."""
_MAX_KEY: Final = 253
_KEY: Final = re.compile(r"[-._A-Za-z0-9]+")
_SYSTEM_NAMES: Final = frozenset(
    {
        "aws-auth",
        "cluster-info",
        "coredns",
        "extension-apiserver-authentication",
        "istio-ca-root-cert",
        "kube-proxy",
        "kube-root-ca.crt",
        "kubeadm-config",
        "kubelet-config",
        "openshift-service-ca.crt",
    }
)


def check_config_map(body: Mapping[str, JSON]) -> Iterator[Violation]:
    """Check keys and size."""
    size = 0
    data, binary = mapping_at(body, "data"), mapping_at(body, "binaryData")
    for field, entries in (("data", data), ("binaryData", binary)):
        for key, value in entries.items():
            size += len(key.encode()) + len(str(value).encode())
            yield from _key(key, path_text((field, key)), both=key in data and key in binary)
    if size > MAX_DATA_BYTES:
        yield violation("IG-CM-SIZE", "data", f"It holds {size} bytes.")


def check_config_map_name(name: str) -> Iterator[Violation]:
    """Refuse ConfigMaps that the cluster itself lives by."""
    if name in _SYSTEM_NAMES:
        yield violation("IG-CM-SYSTEM", "metadata.name", f"{shown(name)} is a system ConfigMap.")


def _key(key: str, path: str, *, both: bool) -> Iterator[Violation]:
    if not _KEY.fullmatch(key) or len(key) > _MAX_KEY or key == "." or key[:2] == "..":
        yield violation("IG-CM-KEY", path, f"{shown(key)} is no file name.")
    elif both:
        yield violation("IG-CM-KEY", path, f"{shown(key)} is in data and binaryData.")
