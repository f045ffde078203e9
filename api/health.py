"""Whether the gateway lives, and whether it can do its work: for orchestrators and operators."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from api.desk import Dispatch
from shared.errors import Fault
from shared.messages import Announcement, Role


def make_health(dispatch: Dispatch, clock: Callable[[], float]) -> APIRouter:
    """Returns the routes `/healthz` and `/readyz`.

    `/readyz` answers 200 when Redis is reachable and some cluster has a live worker in each role,
    else 503; either way it says which clusters and roles have workers.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        try:
            workers = await dispatch.workers()
        except Fault as fault:
            return JSONResponse({"status": "unavailable", "redis": fault.code}, status_code=503)
        clusters = _clusters(workers, now=clock())
        complete = any(len(cluster["roles"]) == len(Role) for cluster in clusters.values())
        body = {
            "status": "ready" if complete else "waiting for workers",
            "redis": "ok",
            "clusters": clusters,
        }
        return JSONResponse(body, status_code=200 if complete else 503)

    return router


def _clusters(workers: tuple[Announcement, ...], *, now: float) -> dict[str, dict[str, Any]]:
    clusters: dict[str, dict[str, Any]] = {}
    for worker in workers:
        cluster = clusters.setdefault(
            worker.cluster,
            {
                "kubernetes": worker.cluster_version,
                "simulated": worker.simulated,
                "namespaces": set(),
                "roles": {},
                "lastSeenSeconds": None,
            },
        )
        cluster["namespaces"] |= set(worker.namespaces)
        for role in worker.roles:
            cluster["roles"][role.value] = cluster["roles"].get(role.value, 0) + 1
        age = max(0, round(now - worker.seen_at))
        last = cluster["lastSeenSeconds"]
        cluster["lastSeenSeconds"] = age if last is None else min(last, age)
    for cluster in clusters.values():
        cluster["namespaces"] = sorted(cluster["namespaces"])
    return clusters
