"""How many threads a worker has by itself: what affinity and control groups allow, and no more."""

import os
from pathlib import Path

import pytest

from shared.settings import WorkerSettings
from worker import sizing
from worker.sizing import sized, threads_for, usable_cpus


@pytest.fixture(autouse=True)
def eight_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def cpus(folder: Path, membership: str, files: dict[str, str]) -> float:
    """What is found where a host's files say this."""
    (folder / "member").write_text(membership)
    for name, text in files.items():
        file = folder / "groups" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return usable_cpus(groups=folder / "groups", membership=folder / "member")


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "200000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"cpu.max": "nonsense\n"}, 8),
        ({"cpu.max": "100000 0\n"}, 8),
        ({}, 8),
    ],
)
def test_the_limit_of_a_container_counts(
    files: dict[str, str], expected: float, tmp_path: Path
) -> None:
    assert cpus(tmp_path, "0::/\n", files) == expected


def test_the_smallest_limit_on_the_way_to_the_top_counts(tmp_path: Path) -> None:
    files = {
        "a.slice/cpu.max": "150000 100000\n",
        "a.slice/b/cpu.max": "max 100000\n",
        "a.slice/b/c/cpu.max": "400000 100000\n",
        "other/cpu.max": "10000 100000\n",
    }
    assert cpus(tmp_path, "0::/a.slice/b/c\n", files) == 1.5


@pytest.mark.parametrize(("quota", "expected"), [("-1\n", 8), ("300000\n", 3)])
def test_the_first_version_of_control_groups_has_its_own_files(
    quota: str, expected: float, tmp_path: Path
) -> None:
    membership = "5:memory:/pod\n4:cpu,cpuacct:/pod\n1:name=systemd:/\n"
    files = {"cpu/pod/cpu.cfs_quota_us": quota, "cpu/pod/cpu.cfs_period_us": "100000\n"}
    assert cpus(tmp_path, membership, files) == expected


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    nowhere = tmp_path / "none"
    assert usable_cpus(groups=nowhere, membership=nowhere) == 8


def test_threads_are_eight_for_a_processor_within_bounds() -> None:
    found = [threads_for(count) for count in (0.1, 0.5, 1, 1.5, 2, 64)]
    assert found == [4, 4, 8, 12, 16, 16]


def test_what_was_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sizing, "usable_cpus", lambda: 0.5)
    assert sized(WorkerSettings()).threads == 4
    assert sized(WorkerSettings(threads=16)).threads == 16
