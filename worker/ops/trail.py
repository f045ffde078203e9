"""Everything that is on disk about changes, checked together: logs, anchors, evidence files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.audit import Problem, Record
from shared.audit_anchors import FILE_NAME as ANCHORS_FILE
from shared.errors import BadConfiguration
from shared.foreign_json import foreign_json
from shared.manifests import JSON
from worker.ops.believing import Believed
from worker.ops.evidence import flaws, log_flaws
from worker.ops.findings import Finding
from worker.ops.logs import CheckedLog, Place, check_log, of_plans

MAX_EVIDENCE: Final = 16 * 1024 * 1024
_WRITTEN: Final = frozenset({"apply.succeeded", "apply.unknown"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What a check found, and how much it looked at."""

    findings: tuple[Finding, ...]
    logs: tuple[CheckedLog, ...]
    evidence_files: int

    @property
    def summary(self) -> str:
        """Returns one line that says what was checked."""
        records = sum(log.total for log in self.logs)
        anchors = sum(len(log.anchors.anchors) for log in self.logs)
        found = f"{len(self.findings)} problems" if self.findings else "nothing is wrong"
        return (
            f"checked {records} records, {anchors} anchors, "
            f"{self.evidence_files} evidence files: {found}"
        )


def check_trail(places: Sequence[Place], evidence_root: Path, believed: Believed) -> Checked:
    """Checks logs, anchors and evidence files, and each against the others.

    Raises:
        AuditUnavailable: a file that is there cannot be read.
        BadConfiguration: there is no log.
    """
    logs = read_logs(places, believed)
    findings = [found for log in logs for found in _log_findings(log)]
    plans = of_plans(logs)
    for plan_id, records in plans.items():
        findings += _in_log(
            logs, plan_id, records, [(f.code, f.message) for f in log_flaws(records)]
        )
    files = evidence_files(evidence_root)
    for path in files:
        findings += _evidence_findings(path, plans.get(path.stem, []), believed)
    there = {path.stem for path in files}
    for plan_id, records in plans.items():
        if plan_id not in there and _WRITTEN & {str(record["event"]) for record in records}:
            text = f"Plan {plan_id} was applied, but has no evidence file in {evidence_root}."
            findings += _in_log(logs, plan_id, records, [("evidence_missing", text)])
    return Checked(findings=tuple(findings), logs=logs, evidence_files=len(files))


def read_logs(places: Sequence[Place], believed: Believed) -> tuple[CheckedLog, ...]:
    """Returns the checked logs.

    Raises:
        AuditUnavailable: one cannot be read.
        BadConfiguration: there is none at a place.
    """
    for place in places:
        if not place.log.exists():
            raise BadConfiguration(
                f"There is no audit log {place.log}; name its folder with --root."
            )
    return tuple(check_log(place, believed) for place in places)


def evidence_files(root: Path) -> tuple[Path, ...]:
    """Returns the evidence files in a folder, if it is there."""
    return tuple(sorted(root.glob("*.json")))


def read_json(path: Path) -> JSON:
    """Returns the JSON in a file, or None if there is none in it.

    Raises:
        BadConfiguration: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            value: JSON = foreign_json(file.read(MAX_EVIDENCE))
    except ValueError:
        return None
    except OSError as error:
        raise BadConfiguration(f"{path} cannot be read ({error.strerror}).") from None
    return value


def place_of(path: Path, problem: Problem) -> str:
    """Returns where in a file of lines a problem is."""
    return f"{path} line {problem.line}"


def _log_findings(log: CheckedLog) -> list[Finding]:
    found = [_finding(log.place.log, problem) for problem in log.problems]
    if log.place.anchors is not None:
        anchors = log.place.anchors / ANCHORS_FILE
        found += [_finding(anchors, problem) for problem in log.anchors.problems]
    return found


def _finding(path: Path, problem: Problem) -> Finding:
    return Finding(where=place_of(path, problem), code=problem.code, message=problem.message)


def _evidence_findings(path: Path, records: list[Record], believed: Believed) -> list[Finding]:
    value = read_json(path)
    found = [
        Finding(where=str(path), code=flaw.code, message=flaw.message)
        for flaw in flaws(value, records, believed)
    ]
    plan = value.get("plan") if isinstance(value, dict) else None
    if isinstance(plan, dict) and plan.get("id") != path.stem:
        text = "The file has the name of another plan."
        found.append(Finding(where=str(path), code="evidence_of_another_plan", message=text))
    return found


def _in_log(
    logs: Sequence[CheckedLog],
    plan_id: str,
    records: Sequence[Record],
    found: list[tuple[str, str]],
) -> list[Finding]:
    where = f"{logs[0].place.log} record {records[-1]['seq']}" if len(logs) == 1 else plan_id
    return [Finding(where=where, code=code, message=message) for code, message in found]
