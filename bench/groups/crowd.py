"""The status of a namespace with 5,000 Pods, beside fetching the same lists.

Twice: beside the calls that the reader itself makes, and beside the five whole lists that a program
would fetch that takes what it needs out of them.
"""

from typing import Final

from bench.bench import Bench
from bench.figures import Budget, Figure, Found, seconds
from bench.kube import NAMESPACE, Kube
from bench.load.drives import Drive
from bench.namespaces import NAME, crowded
from bench.stage import Cast, Stage, staged
from bench.timing import median

GROUP: Final = "crowd"
PODS: Final = 5_000
BUDGET: Final = Budget(limit=1.6, beyond=1.3)
_LISTS: Final = (
    "/apis/apps/v1/namespaces/{name}/deployments",
    "/api/v1/namespaces/{name}/services",
    "/api/v1/namespaces/{name}/configmaps",
    "/api/v1/namespaces/{name}/pods",
    "/apis/apps/v1/namespaces/{name}/replicasets",
)
_QUESTIONS: Final = {"": {}, ", by label": {"labelSelector": "team=bench"}}


def measure(bench: Bench) -> Found:
    """On a real cluster only: what matters is what its API server takes for so many Pods."""
    if bench.kubeconfig is None or bench.admin is None:
        why = "crowd: needs a real cluster (--kubeconfig) and who may fill it (--admin-kubeconfig)"
        return Found(not_run=(why,))
    pods = bench.few(PODS)
    with (
        crowded(Kube.of(bench.admin), Kube.of(bench.kubeconfig), pods) as name,
        staged(_cast(bench, front=False)) as stage,
    ):
        with staged(_cast(bench, front=True)) as beside:
            noted = {what: _noted(bench, beside, what) for what in _QUESTIONS}
        figures = [_beside_own(bench, stage, what, noted[what], pods) for what in _QUESTIONS]
        figures.append(_beside_whole_lists(bench, stage, name, pods))
    return Found(figures=tuple(figures))


def _cast(bench: Bench, *, front: bool) -> Cast:
    return Cast(kubeconfig=bench.kubeconfig, namespaces=(NAMESPACE, NAME), front=front)


def _asked(stage: Stage, what: str) -> Drive:
    arguments = {"namespace": NAME, **_QUESTIONS[what]}
    request = stage.door().modern("tools/call", name="get_k8s_status", arguments=arguments)
    return Drive(targets=stage.gateways, requests=(request,), calls=1)


def _noted(bench: Bench, stage: Stage, what: str) -> tuple[dict[str, str], ...]:
    bench.load.drive(_asked(stage, what))
    stage.calls_passed()
    bench.load.drive(_asked(stage, what))
    return tuple(stage.calls_passed())


def _beside_own(
    bench: Bench, stage: Stage, what: str, calls: tuple[dict[str, str], ...], pods: int
) -> Figure:
    kube = Kube.of(stage.kubeconfig)
    return _beside(
        bench,
        stage,
        what,
        tuple(map(kube.again, calls)),
        f"status of {pods:,} Pods{what}, p50, over its own API calls",
    )


def _beside_whole_lists(bench: Bench, stage: Stage, name: str, pods: int) -> Figure:
    kube = Kube.of(stage.kubeconfig)
    lists = tuple(kube.request("GET", path.format(name=name)) for path in _LISTS)
    return _beside(
        bench, stage, "", lists, f"status of {pods:,} Pods, p50, over raw GETs of the whole lists"
    )


def _beside(bench: Bench, stage: Stage, what: str, calls: tuple[bytes, ...], name: str) -> Figure:
    direct = Drive(
        targets=(Kube.of(stage.kubeconfig).target,), requests=calls, calls=1, sequence=True
    )
    rounds = [bench.in_turns(_asked(stage, what), direct) for _ in range(bench.few(4))]
    ours = [each for one, _ in rounds for each in one.each]
    theirs = [each for _, one in rounds for each in one.each]
    return Figure(
        group=GROUP,
        name=name,
        ours=seconds(median(ours)),
        reference=seconds(median(theirs)),
        budget=BUDGET,
        note=f"{len(calls)} calls, one after the other",
    )
