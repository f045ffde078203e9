"""Which redirect is the registered one."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dev.issuer.redirects import is_loopback, is_registered

HOSTS = st.sampled_from(["127.0.0.1", "localhost", "[::1]"])
PORTS = st.integers(1, 65535)


@settings(max_examples=50)
@given(host=HOSTS, registered=PORTS, used=PORTS)
def test_a_program_may_come_back_on_any_port(host: str, registered: int, used: int) -> None:
    known = [f"http://{host}:{registered}/callback"]

    assert is_registered(f"http://{host}:{used}/callback", known, any_port=True)
    assert is_registered(f"http://{host}/callback", known, any_port=True)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:4711/callback/",
        "http://127.0.0.1:4711/other",
        "http://127.0.0.1:4711/callback?x=1",
        "http://127.0.0.1:4711/Callback",
        "http://127.0.0.1:4711/callback#x",
        "http://localhost:4711/callback",
        "http://[::1]:4711/callback",
        "https://127.0.0.1:4711/callback",
        "http://evil.example:4711/callback",
        "http://x@127.0.0.1:4711/callback",
        "http://127.0.0.1:4711/x/../callback",
        "",
    ],
)
def test_all_but_the_port_must_be_the_same(uri: str) -> None:
    assert not is_registered(uri, ["http://127.0.0.1:4711/callback"], any_port=True)


def test_a_web_client_has_no_choice_of_port() -> None:
    known = ["http://127.0.0.1:3001/approvals/callback"]

    assert is_registered(known[0], known, any_port=False)
    assert not is_registered("http://127.0.0.1:3002/approvals/callback", known, any_port=False)


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_nothing_but_an_http_url_of_this_machine_is_loopback(text: str) -> None:
    accepted = is_loopback(text)

    assert not accepted or text.startswith("http://")
    assert not is_loopback(f"http://{text}.example/")
