"""Where the stack's workers keep keys, audit logs and evidence; whether it runs does not matter."""

from collections.abc import Sequence
from pathlib import Path

from dev.stack.checkup import worker_environments
from dev.stack.places import Places, default_state, read_record
from shared.errors import BadConfiguration
from shared.settings import TrailSettings


def trails(state: Path | None) -> tuple[TrailSettings, ...]:
    """Returns one for each kind of worker; empty when none was ever started in the usual folder.

    Raises:
        BadConfiguration: none was ever started with the state that is named.
    """
    places = Places(state=(state or default_state()).resolve())
    record = read_record(places)
    if record is None or not places.redis_users.exists():
        if state is not None:
            raise BadConfiguration(f"No stack was ever started with the state {places.state}.")
        return ()
    names = [str(field.validation_alias) for field in TrailSettings.model_fields.values()]
    return tuple(
        TrailSettings.model_validate(
            {name: environment[name] for name in names if name in environment}
        )
        for environment in worker_environments(places, record)
    )


def distinct(folders: Sequence[Path]) -> list[Path]:
    """Returns each folder once, in the same order."""
    return list(dict.fromkeys(folders))
