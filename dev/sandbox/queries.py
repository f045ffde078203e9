"""From query strings to the options of reads and writes; refuses what makes no sense."""

from collections.abc import Mapping

from starlette.requests import Request

from dev.sandbox.logs import Wish as Reading
from dev.sandbox.reads import Wish as Listing
from dev.sandbox.status import bad_request
from dev.sandbox.writes import Options, Removal, bad_dry_run, removal


def options(request: Request, verb: str) -> Options:
    query = request.query_params
    dry_run = query.getlist("dryRun")
    if dry_run and dry_run != ["All"]:
        raise bad_dry_run(f"{verb.capitalize()}Options", dry_run)
    agent = request.headers.get("user-agent", "unknown").partition("/")[0]
    force = query.get("force")
    return Options(
        manager=(query.get("fieldManager") or agent)[:128],
        manager_given=bool(query.get("fieldManager")),
        dry_run=bool(dry_run),
        force=None if force is None else force in ("1", "true"),
        validation=query.get("fieldValidation") or "Warn",
    )


def deletion(request: Request, body: bytes) -> Removal:
    query = request.query_params
    return removal(body, {key: query.getlist(key) for key in query})


def _number(query: Mapping[str, str], key: str) -> int | None:
    try:
        return int(query[key]) if query.get(key) else None
    except ValueError as error:
        raise bad_request(f"invalid value for {key}: {query[key]}") from error


def listing(query: Mapping[str, str], namespace: str, name: str) -> Listing:
    fields = query.get("fieldSelector", "")
    if name:
        fields = ",".join(filter(None, (fields, f"metadata.name={name}")))
    return Listing(
        namespace=namespace,
        labels=query.get("labelSelector", ""),
        fields=fields,
        limit=_number(query, "limit") or 0,
        token=query.get("continue", ""),
        revision=query.get("resourceVersion", ""),
        seconds=_number(query, "timeoutSeconds"),
    )


def reading(query: Mapping[str, str]) -> Reading:
    return Reading(
        container=query.get("container", ""),
        previous=query.get("previous", "") in ("1", "true"),
        timestamps=query.get("timestamps", "") in ("1", "true"),
        tail=_number(query, "tailLines"),
        limit=_number(query, "limitBytes"),
    )
