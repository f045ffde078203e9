"""Plans: beside the API calls that the planner itself makes, noted once and then made directly.

Directly means one after the other over one warm connection, with the same credentials: what is
ours beyond them is queue, guardrails, diff, seal, audit record and answer.
"""

from typing import Any, Final

from bench.bench import Bench
from bench.figures import Budget, Figure, Found, seconds
from bench.kube import NAMESPACE, Kube
from bench.load.drives import Drive
from bench.stage import Cast, Stage, staged

GROUP: Final = "planning"
BUDGET: Final = Budget(limit=1.6, beyond=1.3)
MANY: Final = 20
_ONE_MAP: Final = """apiVersion: v1
kind: ConfigMap
metadata:
  name: bench-{number}
  namespace: {namespace}
data:
  key: "{number}"
"""


def measure(bench: Bench) -> Found:
    """Calls are noted by a stack beside the one that is timed, on the same cluster."""
    with staged(Cast(kubeconfig=bench.kubeconfig)) as stage:
        with staged(Cast(kubeconfig=stage.kubeconfig, front=True)) as beside:
            noted = {name: _noted(bench, beside, tool) for name, tool in _tools().items()}
        kube = Kube.of(stage.kubeconfig)
        figures = [_figure(bench, stage, kube, name, noted[name]) for name in _tools()]
    return Found(figures=tuple(figures))


def _tools() -> dict[str, tuple[str, dict[str, Any]]]:
    """What is planned, by its name in the table: a tool and its arguments."""
    many = "---\n".join(_ONE_MAP.format(number=n, namespace=NAMESPACE) for n in range(MANY))
    nginx = {"namespace": NAMESPACE, "name": "nginx"}
    image = {**nginx, "container": "nginx", "image": "localhost/nginx:1.23"}
    return {
        "scale": ("request_scale_deployment", {**nginx, "replicas": 4}),
        "set image": ("request_set_deployment_image", image),
        "apply of 1 object": (
            "request_apply_manifest",
            {"namespace": NAMESPACE, "manifest": _ONE_MAP.format(number=1, namespace=NAMESPACE)},
        ),
        f"apply of {MANY} objects": (
            "request_apply_manifest",
            {"namespace": NAMESPACE, "manifest": many},
        ),
    }


def _asked(stage: Stage, tool: tuple[str, dict[str, Any]]) -> bytes:
    name, arguments = tool
    return stage.door().modern("tools/call", name=name, arguments=arguments)


def _noted(
    bench: Bench, stage: Stage, tool: tuple[str, dict[str, Any]]
) -> tuple[dict[str, str], ...]:
    """The API calls of one plan, after a first one that also learns which cluster this is."""
    drive = Drive(targets=stage.gateways, requests=(_asked(stage, tool),), calls=1)
    bench.load.drive(drive)
    stage.calls_passed()
    bench.load.drive(drive)
    return tuple(stage.calls_passed())


def _figure(
    bench: Bench, stage: Stage, kube: Kube, name: str, calls: tuple[dict[str, str], ...]
) -> Figure:
    count = bench.few(8 if str(MANY) in name else 40, least=2)
    ours, direct = bench.in_turns(
        Drive(targets=stage.gateways, requests=(_asked(stage, _tools()[name]),), calls=count),
        Drive(
            targets=(kube.target,),
            requests=tuple(map(kube.again, calls)),
            calls=count,
            sequence=True,
            statuses=tuple(int(call["status"]) for call in calls),
        ),
    )
    return Figure(
        group=GROUP,
        name=f"plan ({name}), p50",
        ours=seconds(ours.p50),
        reference=seconds(direct.p50),
        budget=bench.on_real(BUDGET),
        note=f"reference: its own {len(calls)} API calls",
    )
