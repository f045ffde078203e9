"""Finds out which cluster this is and what its server can do. Two calls, made once per worker."""

import hashlib
import re
from typing import Final

from shared.errors import Forbidden, NotFound
from worker.cluster.access import Access
from worker.cluster.connection import Connection
from worker.cluster.paths import url_of
from worker.cluster.structs import ClusterIdentity, JSONObject, decoded

STRICT_SINCE: Final = (1, 25)
"""fieldValidation is on by default since then (beta); older servers ignore the parameter."""

ENDPOINT_SLICES_SINCE: Final = (1, 21)
"""discovery.k8s.io/v1."""

SIMULATED: Final = "simulated"
"""In the version of a sandbox."""

LONGEST_VERSION: Final = 64


def discovered(http: Connection, access: Access, name: str) -> ClusterIdentity:
    """The identity. Raises ClusterFault when the server cannot be asked."""
    answer = decoded(http.read("/version").body, JSONObject)
    release = _version(answer)
    uid = _uid_of_kube_system(http)
    return ClusterIdentity(
        name=name,
        uid=uid or _stand_in(access),
        uid_source="kube-system" if uid else "ca-and-server",
        ca_sha256=access.ca_sha256,
        version=release,
        server_strict=release >= STRICT_SINCE,
        has_endpoint_slices=release >= ENDPOINT_SLICES_SINCE,
        git_version=_text(answer.get("gitVersion"))[:LONGEST_VERSION],
        simulated=any(SIMULATED in _text(answer.get(key)) for key in ("gitVersion", "platform")),
    )


def _uid_of_kube_system(http: Connection) -> str:
    """The uid that names a cluster for its whole life; empty when hidden or absent."""
    try:
        answer = http.read(url_of("Namespace", "", "kube-system"))
    except (Forbidden, NotFound):
        return ""
    return str(decoded(answer.body, JSONObject).get("metadata", {}).get("uid", ""))


def _stand_in(access: Access) -> str:
    text = f"infragate/cluster/v1\0{access.ca_sha256}\0{access.server}"
    return hashlib.sha256(text.encode()).hexdigest()


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _version(answer: JSONObject) -> tuple[int, int]:
    """(1, 20) from `{"major": "1", "minor": "20+"}`; (0, 0) when unreadable: nothing is assumed."""
    found = [re.match(r"\d{1,4}", str(answer.get(part, ""))) for part in ("major", "minor")]
    return (int(found[0][0]), int(found[1][0])) if found[0] and found[1] else (0, 0)
