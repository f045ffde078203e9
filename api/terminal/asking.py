"""One HTTP request of a terminal: bounded in time and size, no redirects, JSON in the answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx2

from shared.errors import Fault
from shared.settings import is_loopback
from shared.strict import strict_json

TIMEOUT_S: Final = 30.0
"""An applier answers in 15 s, or the approvals service says that it did not."""
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
"""The largest plan: twenty documents, each with its old and new values, and room."""


class NoAnswer(Fault):
    """There was no usable answer; the text names the kind of trouble."""

    code = "no_answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of any status; a body that is no JSON object with unique members is empty."""

    status: int
    document: Mapping[str, object]


def make_client(url: str) -> httpx2.Client:
    """Returns a client for one service; this machine is never asked by way of a proxy."""
    return httpx2.Client(timeout=TIMEOUT_S, trust_env=not is_loopback(url), follow_redirects=False)


def ask(
    client: httpx2.Client,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    body: Mapping[str, object] | None = None,
    bearer: str = "",
) -> Answer:
    """GETs, or POSTs a form or a JSON body.

    Raises:
        NoAnswer: nobody answered in time, or too much came.
    """
    method = "GET" if form is None and body is None else "POST"
    headers = {"Accept": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    if body is not None:
        headers["Content-Type"] = "application/json"
    content = None if body is None else json.dumps(body).encode()
    try:
        with client.stream(method, url, data=form, content=content, headers=headers) as response:
            received = bytearray()
            for chunk in response.iter_bytes():
                received += chunk
                if len(received) > MAX_ANSWER_BYTES:
                    raise NoAnswer("The answer is too long.")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise NoAnswer(f"There is no answer ({type(error).__name__}).") from None
    document = strict_json(bytes(received))
    return Answer(
        status=response.status_code, document=document if isinstance(document, dict) else {}
    )
