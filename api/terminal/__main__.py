"""Starts an approver's terminal: `python -m api.terminal PLAN`; settings say whom it believes."""

import argparse
import os
import re
import stat
import sys
import time
import webbrowser
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from api.terminal.asking import make_client
from api.terminal.believing import Pins
from api.terminal.carrier import Carrier
from api.terminal.deciding import Deciding, End
from api.terminal.signing_in import Show, SigningIn
from api.terminal.talk import Talk
from shared.errors import BadConfiguration, Fault
from shared.keysets import RemoteKeys
from shared.settings import TerminalSettings, is_loopback, read_terminal_settings

BASE_URL: Final = "INFRA_GATE_APPROVAL_BASE_URL"
MAX_FILE_BYTES: Final = 64 * 1024
_PLAN_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Shows a plan and lets its approver decide; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m api.terminal",
        description="Shows a sealed plan and signs in to approve it, trusting no page.",
    )
    parser.add_argument("--approvals", metavar="URL", help=f"in place of {BASE_URL}")
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="settings as NAME=value lines; else variables"
    )
    add_arguments(parser)
    options = parser.parse_args(arguments)
    try:
        settings = _settings(options.config, options.approvals)
    except BadConfiguration as fault:
        print(fault, file=sys.stderr)
        return End.CANNOT
    return run(settings, options.plan, browser=not options.no_browser)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares what every way of starting has: the plan, and who opens the browser."""
    parser.add_argument("plan", metavar="PLAN", help="a plan's id or its approval address")
    parser.add_argument("--no-browser", action="store_true", help="print the address to sign in at")


def run(settings: TerminalSettings, plan: str, *, browser: bool) -> int:
    """Does the visit; returns the exit code."""
    size = os.get_terminal_size() if sys.stdout.isatty() else None
    with suppress(AttributeError):  # a replaced standard output
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    talk = Talk(sys.stdin, sys.stdout, size=size)
    try:
        deciding = _deciding(settings, talk, _opener(talk, browser=browser))
        return deciding.visit(_plan_id(plan, settings.approval_base_url))
    except KeyboardInterrupt:
        talk.say("", "Interrupted. Look at the plan again to see whether anything was decided.")
        return End.NOT_DONE
    except Fault as fault:
        talk.say(str(fault))
        return End.CANNOT if isinstance(fault, BadConfiguration) else End.NOT_DONE


def _deciding(settings: TerminalSettings, talk: Talk, show: Show) -> Deciding:
    pins = Pins.of(settings)
    keys = RemoteKeys(
        issuer=settings.oauth_authority,
        metadata_url=settings.oauth_metadata_address,
        require_https=not is_loopback(settings.oauth_authority),
    )
    signing_in = SigningIn(
        settings,
        client=make_client(settings.oauth_authority),
        keys=keys,
        show=show,
        clock=time.time,
    )
    base = settings.approval_base_url
    carrier = Carrier(make_client(base), base)
    return Deciding(talk=talk, carrier=carrier, signing_in=signing_in, pins=pins, clock=time.time)


def _opener(talk: Talk, *, browser: bool) -> Show:
    def show(url: str) -> None:
        opened = browser and webbrowser.open(url)
        talk.say("A browser should open; if none does, open:" if opened else "Open:", url)

    return show


def _plan_id(plan: str, base_url: str) -> str:
    """The id in what the person gave; an address must be of the service that is configured."""
    plan_id = plan.removeprefix(f"{base_url.rstrip('/')}/approvals/")
    if _PLAN_ID.fullmatch(plan_id):
        return plan_id
    raise BadConfiguration(
        f"PLAN must be a plan's id, or an address that begins with {base_url}/approvals/."
    )


def _settings(config: Path | None, approvals: str | None) -> TerminalSettings:
    given = None if config is None else _read(config)
    if approvals is None:
        return read_terminal_settings(given)
    return read_terminal_settings(
        {**(given if given is not None else _known()), BASE_URL: approvals}
    )


def _known() -> dict[str, str]:
    names = (str(field.validation_alias) for field in TerminalSettings.model_fields.values())
    return {name: os.environ[name] for name in names if name in os.environ}


def _read(path: Path) -> dict[str, str]:
    """The settings in a file of `NAME=value` lines, which nobody else may write."""
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise BadConfiguration(f"{path} can be written by others; make it mode 0600.")
            text = file.read(MAX_FILE_BYTES).decode()
    except (OSError, ValueError) as error:
        raise BadConfiguration(f"{path} cannot be read ({type(error).__name__}).") from None
    lines = (line.strip() for line in text.splitlines())
    pairs = [line.partition("=") for line in lines if line and not line.startswith("#")]
    if not all(equals for _, equals, _ in pairs):
        raise BadConfiguration(f"{path} must hold lines of the form NAME=value.")
    return {name.strip(): value.strip() for name, _, value in pairs}


if __name__ == "__main__":
    sys.exit(main())
