"""How long `infragate up` takes on an installed checkout, and what a stack at rest holds."""

import re
import signal
import subprocess
import tempfile
import time
from typing import Final

from bench.bench import Bench
from bench.figures import Budget, Figure, Found, Judged, seconds, size
from bench.processes import NotReady, python
from bench.stage import Cast, staged
from bench.timing import median
from dev.stack.parts import GATEWAY, WORKER

GROUP: Final = "starting"
START: Final = Budget(limit=15.0, beyond=8.0, of=Judged.OURS)
GATEWAY_RSS: Final = Budget(limit=110e6, of=Judged.OURS)
WORKER_RSS: Final = Budget(limit=90e6, of=Judged.OURS)
SETTLE_S: Final = 3.0
_READY: Final = re.compile(r"^Ready after")


def measure(bench: Bench) -> Found:
    """A first start (everything is made) and starts after it, in a folder of their own."""
    with tempfile.TemporaryDirectory(prefix="infragate-bench-") as folder:
        first = _started(bench, folder)
        again = [_started(bench, folder) for _ in range(bench.few(3))]
    with staged(Cast(kubeconfig=bench.kubeconfig)) as stage:
        time.sleep(SETTLE_S)
        gateway = stage.process(GATEWAY).memory_info().rss
        worker = stage.process(WORKER).memory_info().rss
    return Found(
        figures=(
            Figure(group=GROUP, name="infragate up, first", ours=seconds(first), budget=START),
            Figure(group=GROUP, name="infragate up, again", ours=seconds(median(again))),
            Figure(group=GROUP, name="gateway RSS, idle", ours=size(gateway), budget=GATEWAY_RSS),
            Figure(group=GROUP, name="worker RSS, idle", ours=size(worker), budget=WORKER_RSS),
        )
    )


def _started(bench: Bench, folder: str) -> float:
    """Seconds from the command to its word that everything is ready."""
    cluster = ["--kubeconfig", str(bench.kubeconfig)] if bench.kubeconfig else ["--sandbox"]
    ports = ["--port", "0", "--issuer-port", "0"]
    began = time.perf_counter()
    process = subprocess.Popen(
        python("dev.cli", "up", "--state", folder, "--no-color", *ports, *cluster),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    try:
        for line in process.stdout or ():
            said.append(line)
            if _READY.match(line):
                return time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()
    raise NotReady("".join(said[-15:]))
