"""What a namespace's policy allows, in words that an agent can use before it asks."""

from shared.guardrails.policy import Policy


def in_words(policy: Policy) -> tuple[str, ...]:
    """Returns one sentence for each thing that an agent should know before it writes a manifest."""
    return (
        f"Pods must satisfy the Pod Security level {policy.pod_security.value}.",
        _images(policy),
        f"A Deployment may have at most {policy.max_replicas} replicas.",
        f"Services may be of type {_listed(policy.service_types)}; never ExternalName.",
        f"Volumes may be of type {_listed(policy.volume_types)}, where the level allows them.",
        *_limits(policy),
        _starting("Secrets", policy.secrets),
        _starting("image pull Secrets", policy.image_pull_secrets),
        _starting("service accounts", policy.service_accounts),
        _metadata(policy),
    )


def _images(policy: Policy) -> str:
    where = f"come from {_listed(policy.registries)}" if policy.registries else "come from anywhere"
    how = "be named by digest" if policy.require_digest else "have a digest or a tag, not latest"
    return f"Images must {where} and {how}."


def _limits(policy: Policy) -> tuple[str, ...]:
    if not policy.require_limits:
        return ()
    return (f"Every container must set a limit for {_listed(policy.require_limits)}.",)


def _starting(what: str, allowed: frozenset[str]) -> str:
    but = f", except {_listed(allowed)}" if allowed else ""
    return f"A workload may go on using the {what} that it uses, and start using no others{but}."


def _metadata(policy: Policy) -> str:
    allowed = policy.metadata_prefixes
    but = f", except {_listed(allowed)}" if allowed else ""
    return f"Labels and annotations that controllers act on are refused{but}."


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) or "none"
