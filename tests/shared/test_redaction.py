"""Which texts lose a secret, and which lose nothing."""

import base64
import json

import pytest

from shared.redaction import MAX_DEPTH, redact, redact_tree, redact_value

SECRET = "s3cr3T-Val"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzL3NlcnZpY2VhY2NvdW50In0.abcDEF123_-xyz"
KEY_LINE = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"
PEM = "\n".join(
    [
        "-----BEGIN RSA PRIVATE KEY-----",
        *[KEY_LINE] * 5,
        "Zg3xQw==",
        "-----END RSA PRIVATE KEY-----",
    ]
)

ORDINARY = """
image: docker.io/library/nginx@sha256:4ff102c5d78d254a6f0da062b3cf39eaf07f01eec0927fd21e219d0af8bc05
pod/nginx-595c8d649f-w7dhc started; uid=7d9f2c1e-8b1a-4c3e-9f00-1234567890ab
commit=9fceb02d0ae598e95dc970b74767f19372d61af8 rev: 9fceb02d0ae598e95dc970b74767f19372d61af8
2024-05-01T12:34:56.789Z INFO HorizontalPodAutoscalerV2Beta1 - Basic authentication is enabled
MountVolume.SetUp failed for volume "default-token-x7k2p" : secret "my-tls-secret" not found
Bearer authentication failed; token: expired; password: incorrect for user x
    secretName: my-tls
    secret:
tokenExpirationSeconds: 3607
system:serviceaccount:kube-system:token-controller
TOKEN_FILE=/var/run/secrets/kubernetes.io/serviceaccount/token
TOKEN=/var/run/secrets/kubernetes.io/serviceaccount/token
GET http://registry:4873/@scope/pkg 200 "http://host:8080/a@b"
ssh://git@github.com/org/repo.git
key=value monkey=banana keyboard: us topologyKey: kubernetes.io/hostname
kube-apiserver --token-auth-file=/etc/x --service-account-private-key-file=/etc/kubernetes/sa.key
max_tokens=4096 tokens: 12 token=12
Caused by: org.springframework.beans.factory.support.AbstractAutowireCapableBeanFactory.createBean
certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUREekNDQWZlZ0F3SUJBZ0lVYWJj
PWD=/app OLDPWD=/home/Me
traceId=4bf92f3577b34da6a3ce929d0e0e4736 spanId=00f067aa0ba902b7
"error": "Unexpected token: } at position 5"
DB_PASSWORD: <set to the key 'password' in secret 'db'>  Optional: false
password: ${DB_PASSWORD}
reflector.go:167: Failed to watch *v1.Secret: failed to list *v1.Secret: secrets is forbidden
err="not found" secret="kube-system/foo" reason=FailedMount
--authorization-mode=Node,RBAC
WWW-Authenticate: Bearer realm="https://auth.example/token",service="registry"
pod-template-hash=595c8d649f resource=requests.cpu message=MinimumReplicasUnavailable
type=ProgressDeadlineExceeded continue=eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTIzfQ
cookie: disabled
resolved: https://packages.example.org/x/-/x-1.0.0.tgz integrity: sha512-Ab1dE2gH3jK4mN5pQ6sT7v
-----BEGIN CERTIFICATE-----
MIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQYDVQQGEwJJRTESMBAGA1UE
-----BEGIN PUBLIC KEY-----
"""


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("password=§", "password=[redacted:password]"),
        ("DB_PASSWORD: §", "DB_PASSWORD: [redacted:password]"),
        ('{"password": "§", "user": "x"}', '{"password": "[redacted:password]", "user": "x"}'),
        ('"apiKey":"§"', '"apiKey":"[redacted:api-key]"'),
        ('\\"clientSecret\\":\\"§\\"}', '\\"clientSecret\\":\\"[redacted:secret]\\"}'),
        ("passwd = '§ with blanks §'", "passwd = '[redacted:password]'"),
        ('password="a\\"§"', 'password="[redacted:password]"'),
        ("password='it''§'", "password='[redacted:password]'"),
        ("password: correct horse §", "password: [redacted:password]"),
        ("password: § # for tests", "password: [redacted:password] # for tests"),
        ("GET /?token=§&page=1", "GET /?token=[redacted:token]&page=1"),
        ("user[password]=§&a=b", "user[password]=[redacted:password]&a=b"),
        ("x?password%3D§%26a", "x?password%3D[redacted:password]%26a"),
        ("Server=x;Password=§;Database=y", "Server=x;Password=[redacted:password];Database=y"),
        ("ok password=a,§;§&§! user=x", "ok password=[redacted:password] user=x"),
        ('note="x password= passphrase="§ §"', 'note="x password= [redacted:password]"'),
        ("map[password:§ user:x]", "map[password:[redacted:password] user:x]"),
        ("run --password § --verbose", "run --password [redacted:password] --verbose"),
        ('["--token", "§", "-v"]', '["--token", "[redacted:token]", "-v"]'),
        ("- --token=§", "- --token=[redacted:token]"),
        ("<password>§</password>", "<password>[redacted:password]</password>"),
        (":secret=>§", ":secret=>[redacted:secret]"),
        ("passphrase: |\n  §\n  §\nuser: x", "passphrase: |\n[redacted:password]\nuser: x"),
        ("X-Api-Key: §", "X-Api-Key: [redacted:api-key]"),
        ("AWS_SECRET_ACCESS_KEY=§", "AWS_SECRET_ACCESS_KEY=[redacted:api-key]"),
        ("SECRET_KEY_BASE=§", "SECRET_KEY_BASE=[redacted:api-key]"),
        ("Authorization: Bearer §", "Authorization: Bearer [redacted:authorization]"),
        ("-H 'Authorization: token §' u", "-H 'Authorization: token [redacted:authorization]' u"),
        ("map[Authorization:[Bearer §]]", "map[Authorization:[Bearer [redacted:authorization]]]"),
        ("no Bearer, Bearer Bearer §", "no Bearer, Bearer Bearer [redacted:bearer]"),
        ("sent Bearer §.", "sent Bearer [redacted:bearer]"),
        (f"sent Basic {b64('u:' + SECRET)}", "sent Basic [redacted:basic-auth]"),
        (f'"auth": "{b64("user:" + SECRET)}"', '"auth": "[redacted:basic-auth]"'),
        ("Set-Cookie: sid=§; Path=/", "Set-Cookie: [redacted:cookie]"),
        ("postgres://u:§@db:5432/x", "postgres://[redacted:url-credentials]@db:5432/x"),
        ("redis://:§@cache", "redis://[redacted:url-credentials]@cache"),
        ("amqp://u:p@§@mq/v", "amqp://[redacted:url-credentials]@mq/v"),
        ("u:§@tcp(db:3306)/x", "u:[redacted:url-credentials]@tcp(db:3306)/x"),
        ("curl -u admin:§ http://x", "curl -u [redacted:password] http://x"),
        ("redis-cli -h x -a § ping", "redis-cli -h x -a [redacted:password] ping"),
        ("mysql -uroot -p§ db", "mysql -uroot -p[redacted:password] db"),
        ("machine h login me password §", "machine h login me password [redacted:password]"),
    ],
)
def test_only_the_secret_goes(text: str, expected: str) -> None:
    result = redact(text.replace("§", SECRET))

    assert result.text == expected
    assert len(result.hits) == 1


@pytest.mark.parametrize(
    ("kind", "secret"),
    [
        ("aws-key", "AKIAIOSFODNN7EXAMPLE"),
        ("google-key", "AIza" + "a1B" * 11 + "xy"),
        ("google-key", "ya29." + "a1B-" * 10),
        ("github-token", "ghp_" + "a1B2" * 9),
        ("github-token", "gho_" + "a1B2" * 9),
        ("github-token", "github_pat_" + "a1B2_" * 9),
        ("gitlab-token", "glpat-" + "a1B-" * 5),
        ("slack-token", "xoxb-1234-5678-abcdef"),
        ("stripe-key", "sk_live_" + "a1B2" * 6),
        ("openai-key", "sk-proj-" + "a1_B" * 6),
        ("openai-key", "sk-ant-api03-" + "a1-B" * 6),
        ("openai-key", "sk-" + "a1B2" * 6),
        ("npm-token", "npm_" + "a1B2" * 9),
        ("vault-token", "hvs." + "a1B2" * 9),
        ("vendor-token", "SG." + "a1B2" * 5 + "." + "a1B2" * 5),
        ("jwt", JWT),
        ("private-key", PEM),
        ("private-key", PEM.replace("\n", "\\n")),
        ("private-key", PEM.replace("RSA PRIVATE KEY", "OPENSSH PRIVATE KEY")),
        ("private-key", b64(PEM)),
    ],
)
@pytest.mark.parametrize(
    "around", ["§", "got § from there", '"x": "§",', "[§]", "before\n§\nafter"]
)
def test_a_token_is_known_by_its_form_wherever_it_stands(
    kind: str, secret: str, around: str
) -> None:
    result = redact(around.replace("§", secret))

    assert result.text == around.replace("§", f"[redacted:{kind}]")
    assert result.hits == (kind,)


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("AKIAIOSFODNN7EXAMPLE,wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ["AKIA", "wJalr"]),
        ("DefaultEndpointsProtocol=https;AccountKey=" + "Ab1/" * 21 + "==;x=y", ["Ab1/"]),
        ("https://x.blob.core.windows.net/c?sv=1&sig=a1B2%2Fa1B2a1B2a1B2", ["a1B2"]),
        ("https://s3/x?X-Amz-Signature=" + "0f" * 32, ["0f0f"]),
        ("https://hooks.slack.com/services/T00000000/B00000000/abcdefABCDEF", ["abcdef"]),
        ("ENCRYPTION=x7Kp2mQ9vR4tZ8wB3nL6yC1dF5gH0jAs", ["x7Kp2"]),
        ('{"kty":"EC","d":"870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE"}', ["870MB6"]),
        (f"token {JWT.rsplit('.', 1)[0]}. Next", ["eyJ"]),
    ],
)
def test_cloud_keys_in_their_usual_surroundings_go(text: str, secrets: list[str]) -> None:
    result = redact(text)

    assert result.hits
    assert not [secret for secret in secrets if secret in result.text]


@pytest.mark.parametrize(
    "log",
    [
        PEM[:220],
        PEM[150:],
        PEM.replace("\n", "\\n")[120:],
        PEM.replace("\n", "\\n")[:230],
        "\n".join(f"2024-05-01T12:00:00Z stdout F {line}" for line in PEM.split("\n")),
        "\n".join(f"2024-05-01T12:00:00Z stdout F {line}" for line in PEM.split("\n")[2:]),
        "\n".join(f"2024-05-01T12:00:00Z stdout F {line}" for line in PEM.split("\n")[:-2]),
    ],
)
def test_a_private_key_that_a_log_shows_only_in_part_goes_too(log: str) -> None:
    result = redact(f"first\n{log}\nthe last line\n")

    assert KEY_LINE[:20] not in result.text
    assert KEY_LINE[-12:] not in result.text
    assert result.text.startswith("first\n")
    assert result.text.endswith("the last line\n")


@pytest.mark.parametrize("line", ORDINARY.strip("\n").split("\n"))
def test_ordinary_lines_survive_word_for_word(line: str) -> None:
    assert redact(line).text == line


def test_a_field_with_a_secrets_name_loses_its_value_and_only_that() -> None:
    value = redact_value(
        {
            "password": ["a", 5, None, {"note": "kept"}],
            "secret": {"secretName": "tls"},
            "automountServiceAccountToken": False,
            "tokenExpirationSeconds": 3607,
            "topologyKey": "zone",
            "env": [{"name": "DB_PASSWORD", "value": "x"}, {"name": "MODE", "value": "x"}],
            "note": f"it was {JWT}",
        }
    )

    assert value == {
        "password": ["[redacted:password]", "[redacted:password]", None, {"note": "kept"}],
        "secret": {"secretName": "tls"},
        "automountServiceAccountToken": False,
        "tokenExpirationSeconds": 3607,
        "topologyKey": "zone",
        "env": [
            {"name": "DB_PASSWORD", "value": "[redacted:password]"},
            {"name": "MODE", "value": "x"},
        ],
        "note": "it was [redacted:jwt]",
    }


def test_keys_that_hold_secrets_are_redacted_without_losing_a_field() -> None:
    tokens = [f"ghp_{char * 36}" for char in "ab"]

    value, hits = redact_tree(dict.fromkeys(tokens, "x"))

    assert not [token for token in tokens if token in json.dumps(value)]
    assert isinstance(value, dict)
    assert len(value) == 2
    assert hits == ("github-token", "github-token")


def test_content_nested_deeper_than_anything_real_is_replaced() -> None:
    deep = json.loads("[" * 500 + f'"{JWT}"' + "]" * 500)

    text = json.dumps(redact_value(deep))

    assert text.count("[") == MAX_DEPTH + 2
    assert "[redacted:too-deep]" in text
