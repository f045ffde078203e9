"""Puts a worker together: settings in, context, Celery application and worker out.

The only place of the worker that makes real things (connections, keys, clocks). Celery runs the
task in a pool of threads: calls wait for the API server, not for the processor.
"""

import logging
import socket
import time
from functools import partial
from typing import Final

from celery import Celery
from celery.worker import WorkController

from shared.audit import AuditLog
from shared.errors import BadConfiguration
from shared.keysets import RemoteKeys
from shared.messages import Role, queue
from shared.settings import WorkerSettings, is_loopback
from shared.stores.connection import Redis, connect
from shared.stores.plans import PlanStore
from shared.stores.queues import PREFIX
from shared.tracing import Tracer
from worker.anchoring import Anchoring
from worker.cluster import Cluster
from worker.context import Context, Verbs
from worker.delivery import WAIT_S, Intake, StrictConsumer
from worker.keys import Keys, load_keys
from worker.metrics import CountedNotices, Metrics
from worker.notifying import make_notices
from worker.passkeys import address_problem
from worker.policy import LoadedPolicy, load_policy
from worker.queue_ages import QueueAges
from worker.stories import copies
from worker.tasks import register

CONFIGURATION: Final = {
    "accept_content": ["json"],
    "task_serializer": "json",
    "task_ignore_result": True,
    "worker_enable_remote_control": False,
    "worker_send_task_events": False,
    "worker_hijack_root_logger": False,
    "worker_redirect_stdouts": False,
    "broker_transport_options": {"global_keyprefix": PREFIX},
    "broker_connection_retry_on_startup": True,
}
"""What Celery would do that we do not want. How calls arrive is in `worker.delivery`."""

QUIET: Final = ("celery", "kombu", "urllib3")
"""Libraries that speak of arguments, addresses and each success below WARNING."""

_now = time.time


def make_context(settings: WorkerSettings, tracer: Tracer | None = None) -> Context:
    """Returns everything that the verbs need. Opens files, but no connection yet.

    Raises:
        BadConfiguration: a key file, the policy or the kubeconfig cannot be used.
    """
    redis = connect(
        settings.redis_url, timeout_s=settings.redis_timeout_s, ca_file=settings.redis_ca_file
    )
    keys = load_keys(settings)
    anchoring = _anchoring(settings, keys)
    metrics = _metrics(settings, redis, anchoring)
    return Context(
        settings=settings,
        cluster=Cluster.connect(
            settings.kubeconfig,
            name=settings.cluster,
            timeout_s=settings.kubernetes_timeout_s,
            role="+".join(settings.roles),
            timed=metrics.asking,
        ),
        redis=redis,
        plans=PlanStore(redis),
        policy=_policy(settings),
        keys=keys,
        audit=AuditLog(settings.audit_root, _now, anchoring, copies(keys, redis)),
        provider_keys=_provider_keys(settings),
        clock=_now,
        namespaces=settings.namespaces,
        roles=settings.roles,
        anchoring=anchoring,
        notices=CountedNotices(make_notices(settings, _now), metrics),
        metrics=metrics,
        tracer=tracer,
    )


def make_app(context: Context, verbs: Verbs) -> Celery:
    """Returns the Celery application with its one task."""
    app = Celery("infragate", broker=context.settings.redis_url.get_secret_value())
    app.conf.update(CONFIGURATION)
    app.set_default()  # for the pool's threads
    register(app, context, verbs)
    app.finalize()
    return app


def make_worker(context: Context, verbs: Verbs) -> WorkController:
    """Returns the worker; its `start` takes calls until it is told to stop."""
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    return WorkController(
        app=make_app(context, verbs),
        hostname=f"{'-'.join(context.roles)}@{socket.gethostname()}",
        pool="threads",
        concurrency=context.settings.threads,
        consumer_cls=partial(StrictConsumer, intake=make_intake(context)),
        use_eventloop=False,
    )


def make_intake(context: Context) -> Intake:
    """Returns where this worker's calls come from, over a connection of its own."""
    settings = context.settings
    return Intake(
        redis=connect(
            settings.redis_url,
            timeout_s=settings.redis_timeout_s + WAIT_S,
            ca_file=settings.redis_ca_file,
        ),
        queues=_queues(settings),
        clock=context.clock,
        metrics=context.metrics,
    )


def _queues(settings: WorkerSettings) -> dict[str, Role]:
    """The queues with their roles; the first is asked first: apply, plan, read."""
    mine = (role for role in reversed(Role) if role in settings.roles)
    return {queue(settings.cluster, role): role for role in mine}


def _metrics(settings: WorkerSettings, redis: Redis, anchoring: Anchoring | None) -> Metrics:
    metrics = Metrics()
    metrics.can_do(settings.threads)
    metrics.registry.register(QueueAges(redis, _queues(settings), _now))
    if anchoring is not None:
        metrics.watch_anchors(anchoring.behind)
    return metrics


def _policy(settings: WorkerSettings) -> LoadedPolicy:
    policy = load_policy(settings.policy_file)
    problem = address_problem(
        {one.rp_id for one in policy.passkeys},
        settings.approval_base_url,
        production=settings.production,
    )
    if problem is not None and Role.APPLY in settings.roles:
        raise BadConfiguration(
            f"The policy {settings.policy_file} and INFRA_GATE_APPROVAL_BASE_URL: {problem}."
        )
    return policy


def _anchoring(settings: WorkerSettings, keys: Keys) -> Anchoring | None:
    if keys.anchor is None:  # a reader: it changes nothing, and shares the others' log
        return None
    return Anchoring(
        AuditLog(settings.audit_root, _now),
        settings.anchors,
        keys.anchor,
        worker=f"{'+'.join(settings.roles)}@{socket.gethostname()}",
        clock=_now,
    )


def _provider_keys(settings: WorkerSettings) -> RemoteKeys:
    exempt = not settings.production and is_loopback(settings.oauth_authority)
    return RemoteKeys(
        issuer=settings.oauth_authority,
        metadata_url=settings.oauth_metadata_address,
        require_https=settings.oauth_require_https_metadata and not exempt,
    )
