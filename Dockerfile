# Three targets. `api` and `worker` are the product: each has only its own extra and its own folder.
# `dev` is for laptops: the development issuer, the simulated cluster and the makers of keys.
#
#   docker build --target api .      docker build --target worker .
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# The group is always 10001, whoever the user is: so a worker may run as the owner of a kubeconfig.
RUN groupadd --gid 10001 infragate \
 && useradd --uid 10001 --gid 10001 --home-dir /app --no-create-home --shell /usr/sbin/nologin infragate \
 && install -d -m 2770 -o 10001 -g 10001 /state
WORKDIR /app

FROM base AS api
COPY requirements/api.lock requirements/
RUN pip install --no-deps --require-hashes -r requirements/api.lock
COPY shared/ shared/
COPY api/ api/
RUN python -m compileall -q api shared
USER 10001:10001
ENV INFRA_GATE_HOST=0.0.0.0
EXPOSE 3001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --start-interval=1s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:3001/healthz', timeout=2)"]
CMD ["python", "-m", "api"]

FROM base AS worker
COPY requirements/worker.lock requirements/
RUN pip install --no-deps --require-hashes -r requirements/worker.lock
COPY shared/ shared/
COPY worker/ worker/
RUN python -m compileall -q worker shared
USER 10001:10001
ENV INFRA_GATE_KEYS_ROOT=/state/keys \
    INFRA_GATE_GUARD_AUDIT_ROOT=/state/guardrails \
    K8S_MCP_APPROVAL_ROOT=/state/approvals
# A worker serves nothing that could be asked: it is well while Redis holds an announcement of its roles.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --start-interval=2s \
  CMD ["python", "-c", "import json, os, redis; e = os.environ; ca = e.get('INFRA_GATE_REDIS_CA_FILE'); r = redis.Redis.from_url(e['INFRA_GATE_REDIS_URL'], socket_timeout=3, **({'ssl_ca_certs': ca} if ca else {})); ids = r.smembers('wk:workers'); live = [json.loads(one)['roles'] for one in r.mget([b'wk:worker:' + i for i in ids]) if one] if ids else []; mine = set(e.get('INFRA_GATE_WORKER_ROLES', 'read,plan,apply').split(',')); raise SystemExit(not any(mine <= set(roles) for roles in live))"]
CMD ["python", "-m", "worker"]

# Not for production: the issuer signs in anybody as anybody, and the cluster is simulated.
FROM base AS dev
COPY requirements/api.lock requirements/worker.lock requirements/
RUN pip install --no-deps --require-hashes -r requirements/api.lock \
 && pip install --no-deps --require-hashes -r requirements/worker.lock
COPY shared/ shared/
COPY api/ api/
COPY worker/ worker/
COPY dev/ dev/
RUN install -d -m 2770 -o 10001 -g 10001 /client-key /client-jwks /cluster /planner-keys /applier-keys /pins
USER 10001:10001
CMD ["python", "-m", "dev.issuer", "--state", "/state"]
