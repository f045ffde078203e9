"""The strict reader of manifests: YAML or JSON text in, canonical objects out, or one refusal.

What the approver is shown and what the cluster is sent both come from the objects made here, so no
two parsers can disagree about it. What a manifest asks for is judged in `shared.guardrails`.
"""

import json
import re
from collections.abc import Iterator
from typing import Final

from shared.documents import (
    MAX_DOCUMENTS,
    Manifest,
    accepted,
)
from shared.errors import Refusal
from shared.manifests import (
    JSON,
    MAX_BYTES,
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_NODES,
    Path,
    path_text,
    shown,
)
from worker.yaml_events import FLOAT, TOO_LONG, Odd, Pairs, Raw, Unreadable, documents, integer

_BYTE_ORDER_MARK: Final = "\ufeff"
_NOT_TEXT: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What may not stand in the text: controls, lone surrogates, and YAML 1.1's other line breaks."""
_NOT_STRING: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
"""What may not stand in a string: control characters but newline and tab; lone surrogates."""
_STRING_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]|\\.)*+"?|[][{}]', re.DOTALL)
_ESCAPED_ONLY: Final = "control characters other than newline and tab are not allowed"


class _Unacceptable(Exception):  # noqa: N818 - ends as a refusal, is no error of ours
    def __init__(self, reason: str, path: Path) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path


def load(text: str, *, namespace: str) -> tuple[Manifest, ...] | Refusal:
    """Read a manifest for `namespace`: the documents that a plan may hold, in their order.

    Bounds and rules are those of `shared.manifests` (`MAX_BYTES`, `MAX_DOCUMENTS`, `MAX_DEPTH`,
    `MAX_NODES`); YAML 1.2 core scalars; no anchors, aliases, tags, merge keys, duplicate keys,
    fractions or control characters. One bad document refuses all, naming its number and the field.
    """
    values = read(text)
    return values if isinstance(values, Refusal) else accepted(values, namespace=namespace)


def read(text: str) -> list[JSON] | Refusal:
    """Read YAML or JSON text strictly; empty documents are left out. Says nothing of Kubernetes."""
    refusal = _unfit(text)
    if refusal is not None:
        return refusal
    plain = text.removeprefix(_BYTE_ORDER_MARK)
    return _canonical(_raw(plain))


def _unfit(text: str) -> Refusal | None:
    """Judge the text before any parser sees it."""
    if len(text) > MAX_BYTES or len(text.encode(errors="surrogatepass")) > MAX_BYTES:
        limit = MAX_BYTES // 1024
        return Refusal(
            code="manifest_too_large", message=f"The manifest is over {limit} KiB; split it."
        )
    if (found := _NOT_TEXT.search(text)) is None:
        return None
    line = text.count("\n", 0, found.start()) + 1
    return Refusal(
        code="invalid_manifest",
        message=f"The manifest holds the character U+{ord(found[0]):04X} in line {line}; "
        f"{_ESCAPED_ONLY}.",
    )


def _raw(text: str) -> Iterator[Raw]:
    """The documents as written. Text that begins like JSON and is JSON is read as such."""
    if not text.lstrip().startswith(("{", "[")) or _nests_deep(text):
        return documents(text)
    try:
        value: Raw = json.loads(
            text,
            object_pairs_hook=Pairs,
            parse_int=integer,
            parse_float=lambda _: FLOAT,
            parse_constant=lambda _: FLOAT,
        )
    except ValueError:  # it may still be YAML in flow style
        return documents(text)
    return iter([value])


def _nests_deep(text: str) -> bool:
    """Whether JSON text is too deep for `json.loads`, which recurses; YAML's reader will say so.

    Exact for JSON; of what is none, at most too much is left to the YAML reader.
    """
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > MAX_DEPTH:
            return True
    return False


def _canonical(raw: Iterator[Raw]) -> list[JSON] | Refusal:
    """Check every value of every document; stop at the first that may not be there."""
    values: list[JSON] = []
    checker = _Checker()
    try:
        for document in raw:
            value = checker.checked(document, ())
            if value is not None:
                values.append(value)
            if len(values) > MAX_DOCUMENTS:
                break  # `accepted` refuses it
    except Unreadable as error:
        return _refusal(f"{error.message}.", len(values) + 1)
    except _Unacceptable as error:
        where = f" at {path_text(error.path)}" if error.path else ""
        return _refusal(f"The value{where} {error.reason}.", len(values) + 1, error.path)
    return values


class _Checker:
    """Goes through values of one manifest, counting them."""

    def __init__(self) -> None:
        self._nodes = 0

    def checked(self, raw: Raw, path: Path) -> JSON:
        """The same value as plain JSON.

        Raises:
            _Unacceptable: The value, or one in it, may not be in a manifest.

        """
        self._count()
        if isinstance(raw, Pairs):
            return self._mapping(raw, path)
        if isinstance(raw, list):
            return [self.checked(item, (*path, i)) for i, item in enumerate(raw)]
        if isinstance(raw, Odd):
            raise _Unacceptable(raw.reason, path)
        return _scalar(raw, path)

    def _count(self) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _Unacceptable(f"is one of more than {MAX_NODES}; split the manifest", ())

    def _mapping(self, pairs: Pairs, path: Path) -> JSON:
        result: dict[str, JSON] = {}
        for raw_key, raw_value in pairs.items:
            self._count()
            key = _key(raw_key, path)
            if key in result:
                raise _Unacceptable("is given twice; keep one of the two", (*path, key))
            result[key] = self.checked(raw_value, (*path, key))
        return result


def _key(raw: Raw, path: Path) -> str:
    if not isinstance(raw, str):
        raise _Unacceptable("has a key that is not a string; quote the key", path)
    if _NOT_STRING.search(raw):
        raise _Unacceptable(f"has the key {shown(raw)}; {_ESCAPED_ONLY}", path)
    return raw


def _scalar(value: bool | str | int | None, path: Path) -> JSON:
    if isinstance(value, str) and (found := _NOT_STRING.search(value)):
        raise _Unacceptable(f"holds the character U+{ord(found[0]):04X}; {_ESCAPED_ONLY}", path)
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise _Unacceptable(TOO_LONG.reason, path)
    return value


def _refusal(message: str, document: int, path: Path = ()) -> Refusal:
    details = {"document": str(document)}
    if path:
        details["path"] = path_text(path)
    return Refusal(
        code="invalid_manifest", message=f"Document {document}: {message}", details=details
    )
