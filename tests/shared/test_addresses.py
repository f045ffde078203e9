"""Addresses are written as browsers write them."""

import pytest

from shared.addresses import host_of, origin_of


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://ID.example/realms/x", "https://id.example"),
        ("https://id.example:443/", "https://id.example"),
        ("http://127.0.0.1:3011", "http://127.0.0.1:3011"),
        ("http://[::1]:3011/x", "http://[::1]:3011"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    assert origin_of(url) == origin


@pytest.mark.parametrize(
    ("url", "host"),
    [("https://ID.example:8443/x", "id.example"), ("http://[::1]:3011/x", "::1"), ("nothing", "")],
)
def test_a_host_is_without_port_and_brackets(url: str, host: str) -> None:
    assert host_of(url) == host
