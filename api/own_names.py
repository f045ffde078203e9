"""Under which names this process is served, and whose pages may call it."""

from urllib.parse import urlsplit

from shared.addresses import origin_of
from shared.settings import GatewaySettings


def hosts(settings: GatewaySettings) -> tuple[str, ...]:
    """The names under which we are served; on a laptop also the usual ones of this machine.

    Pages with a process of their own have the one name that tells their cookies from the gateway's.
    """
    own = {urlsplit(url).netloc for url in _own_urls(settings)}
    return tuple(sorted(own | _further_hosts(settings)))


def _further_hosts(settings: GatewaySettings) -> set[str]:
    usual = {f"127.0.0.1:{settings.port}", f"localhost:{settings.port}"}
    alone = settings.production or settings.serves == "approvals"
    return set(settings.extra_hosts) | (set() if alone else usual)


def origins(settings: GatewaySettings) -> tuple[str, ...]:
    """Whose pages may call: those of our own address; on a laptop under each of our names."""
    own = {origin_of(url) for url in _own_urls(settings)}
    if settings.production:
        return tuple(sorted(own))
    return tuple(sorted(own | {f"http://{host}" for host in _further_hosts(settings)}))


def _own_urls(settings: GatewaySettings) -> tuple[str, ...]:
    """What this process serves; the other kind of process has a name of its own."""
    urls = {"gateway": settings.oauth_resource, "approvals": settings.approval_base_url}
    return tuple(url for served, url in urls.items() if settings.serves in {"all", served})
