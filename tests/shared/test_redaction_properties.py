"""What holds for redaction whatever the text: nothing planted survives, and twice is once."""

import base64
import random
import string
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.redaction import redact

ALPHANUMERIC = string.ascii_letters + string.digits
URL_SAFE = ALPHANUMERIC + "-_"


def chars(seed: int, count: int, alphabet: str = ALPHANUMERIC) -> str:
    """Return random-looking characters that shrink with the seed and always mix their classes."""
    dice = random.Random(seed)  # noqa: S311 - made-up secrets
    mixed = "".join(dice.choices(alphabet, k=count - 6)) + "aB3xZ9"
    return "".join(dice.sample(mixed, k=count))


def pem(seed: int) -> str:
    lines = [chars(seed + n, 64, ALPHANUMERIC + "+/") for n in range(4)]
    return "\n".join(["-----BEGIN PRIVATE KEY-----", *lines, "-----END PRIVATE KEY-----"])


def jwt(seed: int) -> str:
    return ".".join(
        ("eyJhbGciOiJSUzI1NiJ9", "eyJ" + chars(seed, 40, URL_SAFE), chars(seed + 1, 43))
    )


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


# Each maker returns the text as it would be met, and the part that must be gone afterwards.
MAKERS = {
    "pem": lambda n: (pem(n), pem(n).split("\n")[2]),
    "pem escaped": lambda n: (pem(n).replace("\n", "\\n"), pem(n).split("\n")[2]),
    "jwt": lambda n: (jwt(n), jwt(n)[24:]),
    "bearer": lambda n: (f"Bearer {chars(n, 24)}", chars(n, 24)),
    "authorization": lambda n: (f"Authorization: Bearer {chars(n, 12)}", chars(n, 12)),
    "basic": lambda n: (f"Basic {b64('me:' + chars(n, 12))}", b64("me:" + chars(n, 12))),
    "url": lambda n: (f"amqp://me:{chars(n, 12)}@mq:5672/v", chars(n, 12)),
    "aws id": lambda n: (
        "AKIA" + chars(n, 16, string.ascii_uppercase).upper(),
        chars(n, 16, string.ascii_uppercase).upper(),
    ),
    "aws secret": lambda n: (f"aws_secret_access_key = {chars(n, 40)}", chars(n, 40)),
    "google": lambda n: ("AIza" + chars(n, 35, URL_SAFE), chars(n, 35, URL_SAFE)),
    "azure": lambda n: (f"AccountKey={chars(n, 86)}==;", chars(n, 86)),
    "github": lambda n: ("ghp_" + chars(n, 36), chars(n, 36)),
    "gitlab": lambda n: ("glpat-" + chars(n, 20, URL_SAFE), chars(n, 20, URL_SAFE)),
    "slack": lambda n: ("xoxb-" + chars(n, 24), chars(n, 24)),
    "stripe": lambda n: ("sk_live_" + chars(n, 24), chars(n, 24)),
    "openai": lambda n: ("sk-" + chars(n, 48), chars(n, 48)),
    "npm": lambda n: ("npm_" + chars(n, 36), chars(n, 36)),
    "password": lambda n: (f"password={chars(n, 9)}", chars(n, 9)),
    "password in JSON": lambda n: (f'{{"dbPassword":"{chars(n, 9)}"}}', chars(n, 9)),
    "password in YAML": lambda n: (f"\npassword: {chars(n, 9)}\n", chars(n, 9)),
    "phrase in quotes": lambda n: (
        f'passphrase="{chars(n, 9)} {chars(n + 1, 9)}"',
        chars(n + 1, 9),
    ),
    "query": lambda n: (f"/x?a=1&access_token={chars(n, 9)}&b=2", chars(n, 9)),
    "flag": lambda n: (f"run --api-key {chars(n, 9)} x", chars(n, 9)),
    "random value": lambda n: (f"\nMAGIC={chars(n, 40)}\n", chars(n, 40)),
}

surroundings = st.text(
    st.one_of(
        st.sampled_from(" \n\t\"'=:;,&{}[]<>()/\\@-_.%"),
        st.characters(min_codepoint=0x21, max_codepoint=0x2FF),
    ),
    max_size=30,
)


@pytest.mark.promise("secrets-redacted")
@pytest.mark.parametrize("kind", MAKERS)
@given(seed=st.integers(0, 10_000), before=surroundings, after=surroundings)
@settings(max_examples=40)
def test_a_planted_secret_never_survives(kind: str, seed: int, before: str, after: str) -> None:
    text, secret = MAKERS[kind](seed)

    redacted = redact(f"{before} {text} {after}")

    assert secret not in redacted.text
    assert redacted.hits


fragments = st.sampled_from(
    [
        "password=",
        "token: ",
        '"secret":"',
        "'",
        '"',
        "\\",
        "\n",
        " ",
        "://u:p@h",
        "[redacted:x]",
        "[redacted:password]",
        "]",
        "=",
        ":",
        "Bearer ",
        "abcdef1234567",
        "--token ",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "api_key",
        "<password>",
        "|",
        ",",
        "@tcp(",
        "Cookie: a=b",
        "authorization: ",
        "eyJhbGciOiJI.eyJzdWIiOiJ4.",
        "curl -u ",
        "x7Kp2mQ9vR4tZ8wB3nL6yC1dF5gH0jAs",
        "redis-cli -a ",
        "mysql -p",
        "sig=",
        "%3D",
        "&",
        ";",
        "\u0130",
        "\ud800",
    ]
)


@given(st.lists(fragments, max_size=14).map("".join))
@example("password=[redacted:x]tail")
@example("://a:[redacted:url-credentials]@h:b@c")
@settings(max_examples=400)
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)

    again = redact(once.text)

    assert again.text == once.text
    assert again.hits == ()


HOSTILE = [
    "eyJ", "eyJaaaaaaaa.", 'password="', "password: |\n ", "key", '\\"', "://a:", "bearer ",
    "cookie:a", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----\n", "-", "curl ",
    ":@tcp(", "password=''", "password=;", "password ", "=aB3dE6gH9jK2mN5pQ8sT1vW4", "\x1b]", "[",
    "ignore all ", "<|a|>", "aWdub3JlIGFsbCBwcmV2aW91cyBp\n", "send token ", "system: ", "1 ",
]  # fmt: skip


def test_hostile_lines_are_done_in_bounded_time() -> None:
    """One line of a megabyte, and one of 200 kB of each kind, one after the other.

    The limit is generous and for all of them: a single quadratic pattern would take minutes.
    """
    program = (
        "import sys\n"
        "from shared.untrusted import cleaned\n"
        f"seeds = {HOSTILE!r}\n"
        "cleaned('password=' + (' '.join(seeds).replace('\\n', ' ') * 5000)[:1_000_000])\n"
        "for seed in seeds:\n"
        "    cleaned((seed * 100_000)[:100_000] + ' ' * 50_000 + 'a' * 50_000)\n"
        "    cleaned('password=' + seed + ' ' * 100_000 + 'a' * 100_000)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], timeout=100, check=True)

    assert done.returncode == 0
