"""Secrets that give themselves away by their form: keys, tokens, headers, URLs with credentials.

What is secret because of the name before it (`password=…`) lives in `secret_assignments`. Every
form has literal anchors, and a pattern is tried only where an anchor stands, so ordinary text costs
a few substring searches. Every pattern is bounded or consumes what it matches: work is linear.
"""

import base64
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from shared.anchors import positions
from shared.pem_keys import private_keys


class Span(NamedTuple):
    """Where a secret stands in the text, and what kind it is."""

    start: int
    end: int
    kind: str


class Subject(NamedTuple):
    """A text and its lower-case twin of the same length."""

    text: str
    lower: str


class Form(NamedTuple):
    """One kind of secret: tried at each anchor; the secret is group `s`, or the whole match."""

    kind: str
    anchors: tuple[str, ...]
    pattern: re.Pattern[str]
    accept: Callable[[str], bool] = lambda _: True
    fold: bool = False


def by_form(subject: Subject) -> Iterator[Span]:
    """Yield every secret in the text that is recognizable by its form; they may overlap."""
    for form in FORMS:
        yield from _of_form(form, subject)
    yield from _json_web_tokens(subject.text)
    for start, end in private_keys(subject.text):
        yield Span(start, end, "private-key")
    yield from _go_sql_passwords(subject.text)


def _of_form(form: Form, subject: Subject) -> Iterator[Span]:
    group = "s" if "s" in form.pattern.groupindex else 0
    for anchor in form.anchors:
        done = 0
        for at in positions(subject.lower if form.fold else subject.text, anchor):
            if at < done or not (match := form.pattern.match(subject.text, at)):
                continue
            if form.accept(match[group]):
                done = match.end()
                yield Span(*match.span(group), form.kind)


def _decoded(encoded: str) -> bytes:
    try:
        return base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        return b""


def _is_user_and_password(encoded: str) -> bool:
    plain = _decoded(encoded)
    return b":" in plain and plain.isascii()


def _holds_private_key(encoded: str) -> bool:
    return b"PRIVATE KEY" in _decoded(encoded[:80])


_LONG_TOKEN = 20


def _is_bearer(value: str) -> bool:
    """Tell a token from a word of a sentence (`Bearer authentication`)."""
    word = value.isalpha() and (value.islower() or value.istitle() or value.isupper())
    return len(value) >= _LONG_TOKEN or not word


def _has_digit(value: str) -> bool:
    return any(char.isdigit() for char in value)


def _token(kind: str, anchors: str, rest: str) -> Form:
    """Make a form of tokens that start with a fixed prefix, not inside a longer word."""
    prefixes = tuple(anchors.split())
    start = "|".join(map(re.escape, prefixes))
    return Form(kind, prefixes, re.compile(rf"(?<![A-Za-z0-9])(?:{start}){rest}"))


_QUOTE = r"\\{0,3}[\"']?"
_HEADER = rf"{_QUOTE}\]?[ \t]{{0,4}}[:=][ \t]{{0,4}}\\{{0,3}}[\"'\[]{{0,2}}"

FORMS: tuple[Form, ...] = (
    # Headers (RFC 9110 section 11, RFC 6750, RFC 7617, RFC 6265)
    Form(
        "authorization",
        ("authorization",),
        re.compile(
            rf"(?ia)authorization{_HEADER}"
            r"(?:bearer|basic|token|apikey|api-key|negotiate|ntlm|gssapi|key)[ \t:]{1,4}"
            r"(?P<s>(?!\[redacted:)[^\s\"',;\\\]]+)"
        ),
        fold=True,
    ),
    Form(
        "authorization",
        ("authorization",),
        re.compile(
            rf"(?ia)authorization{_HEADER}(?:digest|aws4-hmac-sha256|sharedkey(?:lite)?|hmac)[ \t]"
            r"(?P<s>(?!\[redacted:)[^\r\n\"']+)"
        ),
        fold=True,
    ),
    Form(
        "authorization",
        ("authorization",),
        re.compile(rf"(?ia)authorization{_HEADER}(?P<s>[A-Za-z0-9._~+/=-]{{12,}}+)"),
        accept=_has_digit,
        fold=True,
    ),
    Form(
        "bearer",
        ("bearer",),
        re.compile(
            r"(?ia)bearer(?:[ \t:=]{1,4}|%20)(?!auth)(?P<s>[A-Za-z0-9._~+/-]{6,}+=*)(?!=?[\"'])"
        ),
        accept=_is_bearer,
        fold=True,
    ),
    Form(
        "bearer",
        ("bearer",),
        re.compile(r"(?ia)bearer[ \t:=]{1,4}(?P<s>[A-Za-z0-9._~+/-]{8,}+=*)(?=[\"'])"),
        accept=_is_bearer,
        fold=True,
    ),
    Form(
        "basic-auth",
        ("basic",),
        re.compile(r"(?ia)basic[ \t]{1,4}(?P<s>[A-Za-z0-9+/]{8,}+={0,2})"),
        accept=_is_user_and_password,
        fold=True,
    ),
    Form(
        "basic-auth",  # .docker/config.json
        ("auth",),
        re.compile(
            rf"auth{_QUOTE}[ \t]{{0,4}}[:=][ \t]{{0,4}}{_QUOTE}(?P<s>[A-Za-z0-9+/]{{8,}}+=*)"
        ),
        accept=_is_user_and_password,
    ),
    Form(
        "cookie",
        ("cookie",),
        re.compile(
            rf"(?ia)cookie{_HEADER}(?P<s>(?!\[redacted:)[^\s=;,\"'\\]{{1,128}}=(?!=)[^\r\n\"'\\]+)"
        ),
        fold=True,
    ),
    # URLs (RFC 3986 section 3.2.1): scheme and host stay
    Form(
        "url-credentials",
        ("://",),
        re.compile(
            r"://(?P<s>[^\s/?#@:\"'<>\\\[]{0,128}:(?!\d{1,5}[/?#])"
            r"(?:[^\s\"'<>/?#]{1,256}|[^\s\"'<>@]{1,256}))@"
        ),
    ),
    Form("url-credentials", ("://",), re.compile(r"://(?P<s>[A-Za-z0-9_~.%-]{16,256})@")),
    Form(
        "webhook",
        ("hooks.slack.com/", "/api/webhooks/", ".webhook.office.com/"),
        re.compile(
            r"(?:hooks\.slack\.com|/api/webhooks|\.webhook\.office\.com)/(?P<s>[\w/@+-]{20,}+)"
        ),
    ),
    # Clouds
    Form(
        "aws-secret",
        ("AKIA", "ASIA"),
        re.compile(
            r"A[KS]IA[A-Z0-9]{16}[^A-Za-z0-9+/\n]{1,8}(?P<s>[A-Za-z0-9+/]{40})(?![A-Za-z0-9+/])"
        ),
    ),
    _token("aws-key", "AKIA ASIA ABIA ACCA", r"[A-Z0-9]{16}(?![A-Za-z0-9])"),
    _token("google-key", "AIza", r"[\w-]{35}"),
    _token("google-key", "ya29. GOCSPX-", r"[\w-]{20,}"),
    Form(
        "azure-key",
        ("accountkey=", "sharedaccesskey=", "sharedaccesssignature="),
        re.compile(r"(?ia)\w{1,24}=(?P<s>[A-Za-z0-9+/%_-]{20,}+=*)"),
        fold=True,
    ),
    Form("azure-key", ("sig=",), re.compile(r"(?<=[?&; ])sig=(?P<s>[A-Za-z0-9%+/=_-]{16,})")),
    Form("azure-key", ("8Q~",), re.compile(r"(?<=[\w.~-]{3})8Q~[\w.~-]{31,}")),
    Form(
        "signature",
        ("x-amz-signature", "x-goog-signature", "x-amz-security-token"),
        re.compile(
            r"(?ia)x-\w{3,4}-(?:signature|security-token)(?:=|%3D|: ?)(?P<s>[\w%+/=.-]{16,})"
        ),
        fold=True,
    ),
    # Code hosts, registries, chat, payment, models
    _token("github-token", "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_", r"\w{20,}"),
    _token(
        "gitlab-token", "glpat- gldt- glptt- glrt- glsoat- glcbt- glft- glagent-", r"[\w.-]{16,}"
    ),
    _token(
        "slack-token",
        "xoxb- xoxp- xoxa- xoxe- xoxo- xoxr- xoxs- xoxc- xoxd- xapp-",
        r"[\w%./+-]{10,}",
    ),
    _token("stripe-key", "sk_live_ sk_test_ rk_live_ rk_test_ whsec_", r"[A-Za-z0-9+/=]{10,}"),
    _token(
        "openai-key", "sk-", r"(?:(?:proj|svcacct|admin|ant|or|lf)-[\w-]{20,}|[A-Za-z0-9]{20,})"
    ),
    _token("npm-token", "npm_", r"[A-Za-z0-9]{30,}"),
    _token("pypi-token", "pypi-", r"[\w-]{40,}"),
    _token("docker-token", "dckr_pat_ dckr_oat_", r"[\w-]{20,}"),
    _token("vault-token", "hvs. hvb. hvr.", r"[\w-]{20,}"),
    _token(
        "vendor-token", "hf_ glsa_ glc_ lin_api_ dop_v1_ doo_v1_ shpat_ shpss_ sbp_", r"\w{24,}"
    ),
    _token("vendor-token", "SG.", r"[\w-]{16,64}\.[\w-]{16,}"),
    _token("vendor-token", "NRAK- dapi AGE-SECRET-KEY-1", r"[A-Za-z0-9]{27,}"),
    # JSON Web Keys (RFC 7518 section 6): the private members, next to a key type
    Form(
        "private-key",
        ('"d"', '"p"', '"q"', '"dp"', '"dq"', '"qi"', '"k"'),
        re.compile(r"\"[dpqik]{1,2}\"[ \t]{0,4}:[ \t]{0,4}\"(?P<s>[\w-]{22,}+)\""),
    ),
    Form(
        "private-key",  # a PEM key in base64, as in kubeconfig's client-key-data
        ("LS0tLS1CRUdJTi",),
        re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{14,}+={0,2}"),
        accept=_holds_private_key,
    ),
    # Command lines
    Form(
        "password",
        ("curl ", "wget "),
        re.compile(
            r"\w{4}(?:[^\n|;]{0,160}?[ \t])(?:-u|-U|--user|--proxy-user)[ \t=]{0,2}[\"']?"
            r"(?P<s>[^\s:\"'\[]{0,100}:[^\s\"']{1,200})"
        ),
    ),
    Form("password", ("sshpass ",), re.compile(r"sshpass[ \t]+-p[ \t]*(?P<s>(?!\[redacted)\S+)")),
    Form(
        "password",
        ("redis-cli ",),
        re.compile(r"redis-cli(?:[^\n|;]{0,160}?[ \t])(?:-a|--pass)[ \t]+(?P<s>(?!\[redacted)\S+)"),
    ),
    Form(
        "password",
        ("mysql",),
        re.compile(r"mysql\w{0,8}(?:[^\n|;]{0,160}?[ \t])-p(?P<s>(?!\[redacted)[^\s-]\S*)"),
    ),
)


_TOKEN_RUN = re.compile(r"[A-Za-z0-9_-]+")
_MORE_PARTS = re.compile(r"(?:\.[A-Za-z0-9_-]+){1,4}\.?")
_SHORTEST_HEADER = 10


def _json_web_tokens(text: str) -> Iterator[Span]:
    """Find JWS and JWE in compact form (RFC 7515, 7516): `eyJ` is base64url of `{"`."""
    done = 0
    for at in positions(text, "eyJ"):
        if at < done or not (run := _TOKEN_RUN.match(text, at)):
            continue
        done = run.end()
        more = _MORE_PARTS.match(text, run.end())
        if more and run.end() - at >= _SHORTEST_HEADER and len(more[0]) > _SHORTEST_HEADER:
            done = more.end()
            yield Span(at, done, "jwt")


_LONGEST_DSN = 200


def _go_sql_passwords(text: str) -> Iterator[Span]:
    """Find the password in `user:password@tcp(host)/database`, Go's form of a MySQL address."""
    for anchor in ("@tcp(", "@unix("):
        for end in positions(text, anchor):
            before = re.split(r"[\s\"'=]", text[max(0, end - _LONGEST_DSN) : end])[-1]
            password = before.partition(":")[2]
            if password and not password.startswith("[redacted:"):
                yield Span(end - len(password), end, "url-credentials")
