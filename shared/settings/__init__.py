"""The settings of every process, read once from the environment; of ours nothing else reads it.

A bad value stops the process with a message that names the variable and never repeats the value.
`Production` refuses everything that is only good enough for a laptop.
"""

from shared.settings.common import TERMINAL_CLIENT
from shared.settings.gateway import GatewaySettings
from shared.settings.reading import (
    read_gateway_settings,
    read_terminal_settings,
    read_trail_settings,
    read_worker_settings,
)
from shared.settings.rules import is_loopback
from shared.settings.terminal import TerminalSettings
from shared.settings.worker import TrailSettings, WorkerSettings

__all__ = [
    "TERMINAL_CLIENT",
    "GatewaySettings",
    "TerminalSettings",
    "TrailSettings",
    "WorkerSettings",
    "is_loopback",
    "read_gateway_settings",
    "read_terminal_settings",
    "read_trail_settings",
    "read_worker_settings",
]
