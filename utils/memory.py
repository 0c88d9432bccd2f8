"""How much memory is free, as far as the system says, and giving back what is not needed."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")
# Where control groups stand, and how each version calls its limit, its use, and the cached files
# (part of the use) that it gives up when memory is short.
CGROUPS = {
    "v2": ("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"),
    "v1": (
        "sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes",
        "total_inactive_file",
    ),
}  # fmt: skip


def free_memory(device: str = "cpu") -> int | None:
    """Bytes that this process may still allocate on `device`; None where the system does not say.

    The CPU: the least of the system's available memory, what the control group leaves (containers,
    batch systems) and what the address-space limit (`ulimit -v`) leaves. Not known on macOS. CUDA:
    what the device has free.
    """
    if device.startswith("cuda"):
        import torch

        return torch.cuda.mem_get_info(torch.device(device))[0]
    return free_main_memory()


def free_main_memory(root: Path = ROOT) -> int | None:
    """`free_memory` of the CPU; `root` is where /proc and /sys are found."""
    known = [_available(root), *_left_by_cgroups(root), _left_of_address_space(root)]
    bytes_left = [number for number in known if number is not None]
    return max(min(bytes_left), 0) if bytes_left else None


def gigabytes(count: float) -> str:
    """Bytes for people: 1.2 GB, of 10^9."""
    return f"{count / 1e9:.1f} GB"


def release_memory() -> None:
    """Give what was freed back to the system, which glibc's malloc keeps for itself.

    Worth it after a part that took much, before another: each keeps pieces of other sizes.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _available(root: Path) -> int | None:
    """The kernel's estimate of what can be allocated without swapping."""
    kilobytes = _table(root / "proc/meminfo").get("MemAvailable:")
    return None if kilobytes is None else 1024 * kilobytes


def _left_by_cgroups(root: Path) -> Iterator[int | None]:
    """What each control group that this process is in leaves, the groups around it included."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, kinds, own = line.split(":", 2)
        version = "v2" if not kinds else "v1" if "memory" in kinds.split(",") else None
        if version is None:
            continue
        folder, *names = CGROUPS[version]
        mount = root / folder
        group = mount / own.lstrip("/")
        for around in (group, *group.parents):
            if around.is_relative_to(mount):
                yield _left_by(around, *names)


def _left_by(group: Path, limit: str, use: str, cached: str) -> int | None:
    most, used = _text(group / limit).strip(), _text(group / use).strip()
    if not (most.isdigit() and used.isdigit()):  # "max": no limit
        return None
    return int(most) - int(used) + _table(group / "memory.stat").get(cached, 0)


def _left_of_address_space(root: Path) -> int | None:
    most = resource.getrlimit(resource.RLIMIT_AS)[0]
    pages = _text(root / "proc/self/statm").split()
    if most == resource.RLIM_INFINITY or not pages:
        return None
    return most - int(pages[0]) * os.sysconf("SC_PAGE_SIZE")


def _table(path: Path) -> dict[str, int]:
    """The numbers of lines such as `name 123 kB`, by name."""
    rows = [line.split() for line in _text(path).splitlines()]
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}


def _text(path: Path) -> str:
    """A file's text, empty where there is none to read."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
