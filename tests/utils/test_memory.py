"""Free memory as the system's files tell it: the least of what each limit leaves."""

import resource

import pytest

from utils import memory
from utils.memory import free_main_memory, free_memory, gigabytes, release_memory

GB = 10**9


@pytest.fixture
def system(tmp_path):
    """A function that writes files of a made-up /proc and /sys; returns where they stand."""

    def written(**files: str):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path

    return written


MEMINFO = "MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable: 8000000 kB\n"


def group(folder: str, limit: str, use: str, stat: str, v1: bool = False) -> dict[str, str]:
    names = ("memory.limit_in_bytes", "memory.usage_in_bytes") if v1 else ()
    first, second = names or ("memory.max", "memory.current")
    return {
        f"{folder}__{first}": limit,
        f"{folder}__{second}": use,
        f"{folder}__memory.stat": stat,
    }


def test_what_the_kernel_calls_available(system):
    assert free_main_memory(system(proc__meminfo=MEMINFO)) == 8_000_000 * 1024


def test_a_system_that_says_nothing(tmp_path):
    assert free_main_memory(tmp_path) is None


def test_a_control_group_leaves_less_cached_files_aside(system):
    files = group("sys__fs__cgroup__job", f"{4 * GB}\n", f"{3 * GB}\n", f"inactive_file {GB}\n")
    root = system(proc__meminfo=MEMINFO, proc__self__cgroup="0::/job\n", **files)
    assert free_main_memory(root) == 2 * GB


def test_the_group_around_it_limits_too(system):
    inner = group("sys__fs__cgroup__batch__job", "max\n", f"{GB}\n", "")
    outer = group("sys__fs__cgroup__batch", f"{2 * GB}\n", f"{GB}\n", "")
    cgroup = "0::/batch/job\n"
    root = system(proc__meminfo=MEMINFO, proc__self__cgroup=cgroup, **inner, **outer)
    assert free_main_memory(root) == GB


def test_control_groups_of_the_first_version(system):
    files = group("sys__fs__cgroup__memory__job", str(3 * GB), str(GB), "", v1=True)
    cgroup = "5:cpu,cpuacct:/job\n4:memory:/job\n"
    root = system(proc__meminfo=MEMINFO, proc__self__cgroup=cgroup, **files)
    assert free_main_memory(root) == 2 * GB


def test_a_container_sees_its_own_group_at_the_root(system):
    files = group("sys__fs__cgroup", str(2 * GB), str(GB), "")
    root = system(proc__meminfo=MEMINFO, proc__self__cgroup="0::/docker/1234\n", **files)
    assert free_main_memory(root) == GB


def test_the_address_space_may_be_limited(system, monkeypatch):
    pages = GB // resource.getpagesize()
    root = system(proc__meminfo=MEMINFO, proc__self__statm=f"{pages} 1 1")
    monkeypatch.setattr(memory.resource, "getrlimit", lambda _: (3 * GB, 3 * GB))
    assert free_main_memory(root) == 3 * GB - pages * resource.getpagesize()


def test_more_used_than_allowed_leaves_nothing(system):
    files = group("sys__fs__cgroup__job", str(GB), str(2 * GB), "")
    root = system(proc__meminfo=MEMINFO, proc__self__cgroup="0::/job\n", **files)
    assert free_main_memory(root) == 0


def test_this_machine_has_some_and_takes_back():
    free = free_memory()
    assert free is None or free > 0
    release_memory()


def test_numbers_for_people():
    assert gigabytes(14_230_000_000) == "14.2 GB"
