import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.guardrails import Image, Policy, check_image, read_image

from .objects import DIGEST, ids

DIGEST_512 = "sha512:" + "a" * 128


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("index.docker.io/nginx", "docker.io/library/nginx"),
        ("bitnami/nginx:1", "docker.io/bitnami/nginx:1"),
        ("ghcr.io/a/b/c:v1", "ghcr.io/a/b/c:v1"),
        ("GHCR.io/a/b", "ghcr.io/a/b"),
        ("registry:5000/app", "registry:5000/app"),
        ("registry:5000/app:2", "registry:5000/app:2"),
        ("localhost/app", "localhost/app"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx@{DIGEST_512}", f"docker.io/library/nginx@{DIGEST_512}"),
        (f"nginx:1.27@{DIGEST}", f"docker.io/library/nginx:1.27@{DIGEST}"),
        ("[2001:db8::1]:5000/app:1", "[2001:db8::1]:5000/app:1"),
    ],
)
def test_a_short_reference_means_its_long_form(short: str, full: str) -> None:
    assert str(read_image(short)) == full


@pytest.mark.parametrize(
    "text",
    [
        "",
        " nginx",
        "nginx:",
        "nginx@",
        "nginx@sha256:abc",
        f"nginx@{DIGEST}@{DIGEST}",
        "Nginx",
        "a//b",
        "/nginx",
        "nginx/",
        "ghcr.io/",
        "http://ghcr.io/a",
        "nginx:1.27\n",
        "nginx:\uff11",
        "a" * 600,
        "user@ghcr.io/app:1",
    ],
)
def test_a_malformed_reference_is_refused(text: str) -> None:
    assert read_image(text) is None
    assert ids(check_image(text, Policy())) == {"IG-IMAGE-INVALID"}


@pytest.mark.parametrize("text", ["nginx", "nginx:latest", "registry:5000/app", "a.io/b:latest"])
def test_an_untagged_or_latest_image_is_refused(text: str) -> None:
    assert ids(check_image(text, Policy())) == {"IG-IMAGE-TAG"}


@pytest.mark.parametrize("text", ["nginx:1", f"nginx@{DIGEST}", f"nginx:latest@{DIGEST}"])
def test_a_tag_or_a_digest_will_do(text: str) -> None:
    assert not check_image(text, Policy())


def test_a_policy_may_demand_digests() -> None:
    policy = Policy(require_digest=True)

    assert ids(check_image("nginx:1.27", policy)) == {"IG-IMAGE-DIGEST"}
    assert not check_image(f"nginx:1.27@{DIGEST}", policy)


@pytest.mark.parametrize(
    ("image", "allowed", "fits"),
    [
        ("nginx:1", "docker.io", True),
        ("nginx:1", "docker.io/library", True),
        ("nginx:1", "docker.io/library/nginx", True),
        ("nginx-evil:1", "docker.io/library/nginx", False),
        ("evil/nginx:1", "docker.io/library", False),
        ("ghcr.io.evil.example/a:1", "ghcr.io", False),
        ("ghcr.io:444/a:1", "ghcr.io", False),
        ("ghcr.io/team/a:1", "ghcr.io/team/", True),
        ("ghcr.io/teams/a:1", "ghcr.io/team", False),
        ("ghcr.io/team/a:1", "ghcr.io/teamX", False),
    ],
)
def test_a_registry_is_matched_by_whole_path_steps(image: str, allowed: str, fits: bool) -> None:
    found = check_image(image, Policy(registries=frozenset({allowed})))

    assert ids(found) == (set() if fits else {"IG-IMAGE-REGISTRY"})


@given(
    registry=st.from_regex(r"[a-z]{1,8}\.[a-z]{2,3}(:[1-9][0-9]{0,3})?", fullmatch=True),
    repository=st.from_regex(r"[a-z0-9]{1,6}(/[a-z0-9]{1,6}){0,2}", fullmatch=True),
    tag=st.from_regex(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,8})?", fullmatch=True),
    digest=st.sampled_from(["", DIGEST]),
)
@settings(max_examples=100)
def test_the_long_form_reads_as_itself(
    registry: str, repository: str, tag: str, digest: str
) -> None:
    if registry == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    image = Image(registry=registry, repository=repository, tag=tag, digest=digest)

    assert read_image(str(image)) == image


@given(st.text(max_size=60))
@settings(max_examples=200)
def test_any_text_is_judged_without_a_crash(text: str) -> None:
    image = read_image(text)

    assert image is None or read_image(str(image)) == image
