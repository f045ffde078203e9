"""Reading the environment, once, and telling what in it cannot be used."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from shared.errors import BadConfiguration
from shared.settings.gateway import GatewaySettings
from shared.settings.terminal import TerminalSettings
from shared.settings.worker import TrailSettings, WorkerSettings


def read_terminal_settings(given: Mapping[str, str] | None = None) -> TerminalSettings:
    """Returns a terminal's settings: exactly those `given` by name, else the environment's.

    Raises:
        BadConfiguration: one is missing, unknown or cannot be used; the text names the variables.
    """
    names = {str(field.validation_alias) for field in TerminalSettings.model_fields.values()}
    unknown = sorted(set(given or {}) - names)
    if unknown:
        raise BadConfiguration(f"A terminal knows no setting {', '.join(unknown)}.")
    alone = dict.fromkeys(names, "") if given is not None else {}
    with _explaining():
        return TerminalSettings(**{**alone, **(given or {})})  # type: ignore[arg-type]  # texts, as in the environment


def read_gateway_settings() -> GatewaySettings:
    """Returns the gateway's settings from the environment.

    Raises:
        BadConfiguration: a value cannot be used; the text names the variables, never the values.
    """
    with _explaining():
        return GatewaySettings()


def read_worker_settings(**given: str) -> WorkerSettings:
    """Returns a worker's settings: those `given` by the variable's name, else the environment's.

    Raises:
        BadConfiguration: a value cannot be used; the text names the variables, never the values.
    """
    with _explaining():
        return WorkerSettings(**given)  # type: ignore[arg-type]  # texts, as in the environment


def read_trail_settings() -> TrailSettings:
    """Returns where a worker's keys, audit log and evidence lie, from the environment.

    Raises:
        BadConfiguration: a value cannot be used; the text names the variables, never the values.
    """
    with _explaining():
        return TrailSettings()


@contextmanager
def _explaining() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise BadConfiguration(_explained(error)) from None


def _explained(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    return "The configuration cannot be used:\n  " + "\n  ".join(map(_told, problems))


def _told(problem: ErrorDetails) -> str:
    """One problem: the variable and what it needs, or, of several variables, what that says."""
    where = ".".join(str(part) for part in problem["loc"])
    what = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "too_short":  # pydantic counts a secret's characters as items
        least = problem["ctx"]["min_length"]
        what = "must name one" if least == 1 else f"needs at least {least} characters"
    if problem["type"] == "missing":
        what = "must be set"
    return f"{where}: {what}" if where else what
