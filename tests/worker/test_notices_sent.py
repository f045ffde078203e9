"""How notices are sent: signed, repeated, bounded, and never in anybody's way."""

import hashlib
import hmac
import json
import logging
import socket
from collections.abc import Sequence

import pytest
from pydantic import ValidationError

from dev.redis_server import free_port
from shared.settings import WorkerSettings
from tests.worker.receivers import Received, receiving
from tests.worker.worlds import NOW, a_plan
from worker.notices import SILENT, Event, Notice, Wording
from worker.notifying import PAUSES_S, QUEUE_LENGTH, SIGNATURE, Webhook, make_notices

SECRET = "a-shared-secret-of-the-receiver"
DIGEST = "sha256:" + "5" * 64
NO_PAUSES = (0.0, 0.0, 0.0, 0.0)


def webhook(
    url: str, *, secret: str | None = SECRET, pauses: Sequence[float] = NO_PAUSES
) -> Webhook:
    return Webhook(
        url,
        secret=secret,
        wording=Wording(link_base="https://approvals.example.com"),
        clock=lambda: NOW,
        pauses_s=pauses,
    )


def notice(number: int = 1, event: Event = Event.WAITS) -> Notice:
    return Notice.of(event, a_plan(id=f"plan-{number}"), DIGEST, at=NOW)


def plans_in(received: Sequence[Received]) -> list[str]:
    return [json.loads(one.body)["infragate"]["plan"] for one in received]


def test_a_notice_arrives_as_json_with_a_signature_over_time_and_body() -> None:
    with receiving() as receiver:
        sender = webhook(receiver.url)
        sender.tell(notice())
        (got,) = receiver.wait_for(1)
        sender.stop()

    at, mac = got.headers[SIGNATURE].split(",")
    expected = hmac.new(SECRET.encode(), f"{NOW}.".encode() + got.body, hashlib.sha256).hexdigest()
    assert (at, mac) == (f"t={NOW}", f"v1={expected}")
    assert got.headers["Content-Type"] == "application/json"
    assert json.loads(got.body)["infragate"]["plan"] == "plan-1"


def test_without_a_secret_nothing_is_signed() -> None:
    with receiving() as receiver:
        sender = webhook(receiver.url, secret=None)
        sender.tell(notice())
        (got,) = receiver.wait_for(1)
        sender.stop()

    assert SIGNATURE not in got.headers


@pytest.mark.parametrize("status", [500, 503, 429, 408])
def test_trouble_that_may_pass_is_tried_again_with_the_same_words(status: int) -> None:
    with receiving(status, status) as receiver:
        sender = webhook(receiver.url)
        sender.tell(notice())
        got = receiver.wait_for(3)
        sender.stop()

    assert len({one.body for one in got}) == 1


def test_after_five_tries_it_is_given_up_and_the_next_one_says_so() -> None:
    with receiving(*[500] * 5) as receiver:
        sender = webhook(receiver.url)
        sender.tell(notice(1))
        sender.tell(notice(2))
        got = receiver.wait_for(6)
        sender.stop()

    assert plans_in(got) == ["plan-1"] * 5 + ["plan-2"]
    assert json.loads(got[5].body)["infragate"]["dropped"] == 1


def test_five_tries_take_about_two_minutes() -> None:
    assert len(PAUSES_S) == 4
    assert sum(PAUSES_S) == pytest.approx(120)


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410])
def test_what_will_not_pass_is_not_tried_again(status: int) -> None:
    """Nor is a redirect followed: it could take the signed body anywhere."""
    with receiving(status) as receiver:
        receiver.headers = {"Location": receiver.url.replace("/hook/", "/elsewhere/")}
        sender = webhook(receiver.url)
        sender.tell(notice(1))
        sender.tell(notice(2))
        got = receiver.wait_for(2)
        sender.stop()

    assert plans_in(got) == ["plan-1", "plan-2"]
    assert all(one.path.startswith("/hook/") for one in got)


@pytest.mark.promise("notices-never-block")
def test_telling_does_not_wait_for_a_receiver_that_hangs() -> None:
    with receiving() as receiver:
        receiver.open.clear()
        sender = webhook(receiver.url)
        for number in range(QUEUE_LENGTH):
            sender.tell(notice(number))
        answered_meanwhile = receiver.answered
        receiver.open.set()
        sender.stop()

    assert answered_meanwhile == 0


def test_stopping_flushes_what_waits() -> None:
    with receiving() as receiver:
        sender = webhook(receiver.url)
        for number in range(20):
            sender.tell(notice(number))
        sender.stop()

        assert plans_in(receiver.received) == [f"plan-{number}" for number in range(20)]


def test_stopping_does_not_wait_for_a_receiver_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    with receiving() as receiver:
        receiver.open.clear()
        sender = webhook(receiver.url)
        sender.tell(notice(1))
        sender.tell(notice(2))
        receiver.wait_for(1)
        with caplog.at_level(logging.WARNING):
            sender.stop()

    # Not notice.failed: it did not wait for the end of the request either.
    assert [record.getMessage() for record in caplog.records] == ["notice.unsent"]


def test_stopping_what_never_told_anything_is_immediate() -> None:
    webhook("http://127.0.0.1:9").stop()


@pytest.mark.promise("notices-never-block")
def test_a_flood_of_requests_pushes_out_requests_and_no_decision() -> None:
    with receiving() as receiver:
        receiver.open.clear()
        sender = webhook(receiver.url)
        sender.tell(notice(0))
        receiver.wait_for(1)  # the sender is busy with it
        sender.tell(notice(1, Event.APPROVED))
        for number in range(2, QUEUE_LENGTH + 10):
            sender.tell(notice(number))
        receiver.open.set()
        got = receiver.wait_for(3)
        sender.stop()

    assert plans_in(got) == ["plan-0", "plan-1", "plan-11"]
    assert json.loads(got[1].body)["infragate"]["dropped"] == 9


@pytest.mark.promise("notice-address-is-secret")
def test_failures_are_logged_by_host_alone(caplog: pytest.LogCaptureFixture) -> None:
    with receiving(404) as receiver, caplog.at_level(logging.DEBUG):
        sender = webhook(receiver.url)
        sender.tell(notice())
        receiver.wait_for(1)
        sender.stop()
        port = receiver.url.split(":")[2].split("/")[0]

    told = [vars(one)["fields"] for one in caplog.records if one.getMessage() == "notice.failed"]
    assert {"host": "127.0.0.1", "happened": "waits", "tries": 1, "cause": "HTTP 404"} in told
    logged = "".join(str(vars(one)) for one in caplog.records)
    assert "very-secret-path" not in logged
    assert port not in logged
    assert "replicas" not in logged


def test_a_receiver_that_is_not_there_is_named_as_such(caplog: pytest.LogCaptureFixture) -> None:
    sender = webhook(f"http://127.0.0.1:{free_port()}/very-secret-path", pauses=())
    with caplog.at_level(logging.WARNING):
        sender.tell(notice())
        sender.stop()

    (record,) = (one for one in caplog.records if one.getMessage() == "notice.failed")
    assert vars(record)["fields"]["cause"] == "nobody listens there"


def test_a_receiver_that_speaks_no_http_is_survived() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = webhook(f"http://127.0.0.1:{listener.getsockname()[1]}/", pauses=())
        sender.tell(notice())
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
        sender.stop()


def test_without_an_address_nobody_is_told() -> None:
    assert make_notices(WorkerSettings(), lambda: NOW) is SILENT


def test_the_settings_make_the_webhook(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as receiver:
        monkeypatch.setenv("INFRA_GATE_NOTICE_URL", receiver.url)
        monkeypatch.setenv("INFRA_GATE_NOTICE_SECRET", SECRET)
        monkeypatch.setenv("INFRA_GATE_APPROVAL_BASE_URL", "https://yes.example.com")
        sender = make_notices(WorkerSettings(), lambda: NOW)
        sender.tell(notice())
        (got,) = receiver.wait_for(1)
        sender.stop()

    facts = json.loads(got.body)["infragate"]
    assert (facts["link"], facts["cluster"]) == (
        "https://yes.example.com/approvals/plan-1",
        "local",
    )


@pytest.mark.parametrize(
    "url",
    ["http://hooks.example.com/x", "ftp://127.0.0.1/x", "https://a:b@example.com/x", "https:///x"],
)
def test_an_address_that_would_give_notices_away_is_refused_unrepeated(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INFRA_GATE_NOTICE_URL", url)

    with pytest.raises(ValidationError) as refused:
        WorkerSettings()

    assert url not in str(refused.value)


def test_production_wants_https_for_webhook_and_link(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_GATE_ENVIRONMENT", "Production")
    monkeypatch.setenv("INFRA_GATE_NOTICE_URL", "http://127.0.0.1:9/very-secret-path")

    with pytest.raises(ValidationError) as refused:
        WorkerSettings()

    assert "INFRA_GATE_NOTICE_URL needs https" in str(refused.value)
    assert "INFRA_GATE_APPROVAL_BASE_URL needs https" in str(refused.value)
    assert "very-secret-path" not in str(refused.value)


def test_the_address_is_not_printed_with_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INFRA_GATE_NOTICE_URL", "https://hooks.example.com/very-secret-path")
    monkeypatch.setenv("INFRA_GATE_NOTICE_SECRET", SECRET)

    printed = repr(WorkerSettings())

    assert "very-secret-path" not in printed
    assert SECRET not in printed
