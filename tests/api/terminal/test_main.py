"""How an approver's terminal is started: whom it believes must be pinned, and by nobody else."""

import io
from os import terminal_size
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from api.terminal import __main__ as terminal
from api.terminal.deciding import End
from api.terminal.talk import Talk
from shared.errors import BadConfiguration
from shared.seals import public_text
from shared.settings import TerminalSettings, read_terminal_settings
from tests.api.terminal.visit import Typed

SIGNS = public_text(Ed25519PrivateKey.generate().public_key())
GIVEN = {
    "INFRA_GATE_APPROVAL_BASE_URL": "https://approve.example",
    "INFRA_GATE_OAUTH_AUTHORITY": "https://id.example",
    "INFRA_GATE_SEAL_PUBLIC_KEYS": SIGNS,
    "INFRA_GATE_RECEIPT_PUBLIC_KEYS": f"{SIGNS}, {SIGNS}",
    "INFRA_GATE_PROOF_PUBLIC_KEY": public_text(X25519PrivateKey.generate().public_key()),
}


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for field in TerminalSettings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)


def config(folder: Path, **changes: str | None) -> str:
    path = folder / "terminal.conf"
    values = {name: value for name, value in (GIVEN | changes).items() if value is not None}
    lines = ["# whom this terminal believes", "", *(f"{n} = {v}" for n, v in values.items())]
    path.write_text("\n".join(lines))
    path.chmod(0o600)
    return str(path)


@pytest.mark.promise("terminal-needs-pins")
@pytest.mark.parametrize("name", sorted(GIVEN))
@pytest.mark.parametrize("value", [None, ""])
def test_without_its_pins_and_addresses_a_terminal_does_not_start(
    name: str, value: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = terminal.main(["plan", "--config", config(tmp_path, **{name: value})])

    assert code == End.CANNOT
    assert f"{name}: must be set" in capsys.readouterr().err


def test_a_list_of_keys_without_a_key_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="INFRA_GATE_SEAL_PUBLIC_KEYS: must name one"):
        read_terminal_settings(GIVEN | {"INFRA_GATE_SEAL_PUBLIC_KEYS": " , "})


@pytest.mark.promise("terminal-needs-pins")
def test_a_file_counts_alone_whatever_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in GIVEN.items():
        monkeypatch.setenv(name, value)

    file = config(tmp_path, INFRA_GATE_SEAL_PUBLIC_KEYS=None)

    assert terminal.main(["plan", "--config", file]) == End.CANNOT
    assert "INFRA_GATE_SEAL_PUBLIC_KEYS" in capsys.readouterr().err
    assert read_terminal_settings().seal_public_keys == (SIGNS,)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_not_read(
    mode: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(tmp_path)
    Path(file).chmod(mode)

    assert terminal.main(["plan", "--config", file]) == End.CANNOT
    assert "make it mode 0600" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("no equals sign", "NAME=value"),
        ("INFRA_GATE_REDIS_URL=redis://x", "knows no setting INFRA_GATE_REDIS_URL"),
        ("\udcff", "cannot be read"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(
    content: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "terminal.conf"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    path.chmod(0o600)

    assert terminal.main(["plan", "--config", str(path)]) == End.CANNOT
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("INFRA_GATE_APPROVAL_BASE_URL", "http://approve.example"),
        ("INFRA_GATE_APPROVAL_BASE_URL", "https://user:secret@approve.example"),
        ("INFRA_GATE_OAUTH_AUTHORITY", "http://id.example"),
        ("INFRA_GATE_OAUTH_METADATA_ADDRESS", "http://id.example/metadata"),
    ],
)
def test_addresses_must_be_https_or_of_this_machine(name: str, value: str) -> None:
    with pytest.raises(BadConfiguration, match=name) as raised:
        read_terminal_settings(GIVEN | {name: value})

    assert "secret" not in str(raised.value)


def test_a_pin_that_is_no_key_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(tmp_path, INFRA_GATE_PROOF_PUBLIC_KEY="c2hvcnQ")

    assert terminal.main(["plan", "--config", file, "--no-browser"]) == End.CANNOT
    assert "not 32 bytes" in capsys.readouterr().out


@pytest.mark.parametrize(
    "plan", ["https://evil.example/approvals/x", "../x", "", "https://approve.example/approvals/"]
)
def test_an_address_of_another_service_is_refused(
    plan: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert terminal.main([plan, "--config", config(tmp_path)]) == End.CANNOT
    assert "PLAN must be" in capsys.readouterr().out


def test_the_service_can_be_named_on_the_command_line(tmp_path: Path) -> None:
    settings = terminal._settings(Path(config(tmp_path)), "https://other.example/")

    assert settings.approval_base_url == "https://other.example/"
    assert (
        terminal._plan_id("https://other.example/approvals/abc", "https://other.example/") == "abc"
    )
    assert terminal._plan_id("abc", "https://other.example") == "abc"


def test_a_provider_that_is_away_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = config(
        tmp_path,
        INFRA_GATE_OAUTH_AUTHORITY="http://127.0.0.1:9",
        INFRA_GATE_APPROVAL_BASE_URL="http://127.0.0.1:9",
    )

    assert terminal.main(["plan", "--config", file, "--no-browser"]) == End.NOT_DONE
    assert "The identity provider: There is no answer" in capsys.readouterr().out


def talk(*typed: str, lines: int, columns: int = 80) -> tuple[Talk, io.StringIO]:
    said = io.StringIO()
    return Talk(Typed(*typed), said, size=terminal_size((columns, lines))), said


def test_a_long_text_waits_for_the_person_after_each_screen_and_hides_nothing() -> None:
    heard, said = talk("", "", "", "", lines=12)

    heard.show(f"line {number}" for number in range(25))

    text = said.getvalue()
    assert text.count("press Enter") == 2
    assert "-- 15 more lines" in text
    assert all(f"line {number}\n" in text for number in range(25))


def test_a_line_that_wraps_takes_its_rows() -> None:
    heard, said = talk(*[""] * 9, lines=12, columns=20)

    heard.show(["x" * 100] * 4)  # five rows each, ten to a screen

    assert said.getvalue().count("press Enter") == 1


def test_whatever_is_said_is_harmless_to_the_terminal() -> None:
    heard, said = talk("answer\x1b", lines=24)

    heard.say("one\x1b[2J", "two\nthree")
    heard.ask("four\x07?")

    assert said.getvalue() == "one<U+001B>[2J\ntwo<U+000A>three\nfour<U+0007>? "
