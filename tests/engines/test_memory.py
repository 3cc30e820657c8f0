"""How much memory is free, on trees laid out as on the real machines."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from faceguard.engines.errors import UsageError
from faceguard.engines.memory import (
    Free,
    free_memory,
    largest_holders,
    parse_bytes,
    show_bytes,
)

MIB = 1 << 20
GIB = 1 << 30
MEMINFO = "MemTotal:        7802364 kB\nMemFree:  400000 kB\nMemAvailable:    4194304 kB\n"


def lay(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def second(root: Path, group: str, **files: object) -> Path:
    """A machine with control groups of the second version."""
    own = {"proc/self/cgroup": f"0::{group}\n", "proc/meminfo": MEMINFO}
    folder = f"sys/fs/cgroup{group}"
    return lay(root, own | {f"{folder}/memory.{key}": f"{text}\n" for key, text in files.items()})


def test_this_machine_has_some():
    found = free_memory()
    assert 0 < found.bytes < 1 << 50


def test_without_groups_it_is_what_the_kernel_calls_available(tmp_path):
    found = free_memory(lay(tmp_path, {"proc/meminfo": MEMINFO}))
    assert found == Free(4 * GIB, "of the machine's memory")
    assert found.shared


def test_an_old_kernel_does_not_say_it(tmp_path):
    text = "MemTotal: 8000000 kB\nMemFree: 400000 kB\nCached: 200000 kB\n"
    assert free_memory(lay(tmp_path, {"proc/meminfo": text})).bytes == 500000 << 10


def test_a_group_leaves_its_limit_less_what_cannot_be_given_back(tmp_path):
    stat = f"anon {200 * MIB}\ninactive_file {100 * MIB}\nactive_file {200 * MIB}\n"
    stat += f"slab_reclaimable {10 * MIB}"
    root = second(tmp_path, "/system.slice/f.service", max=GIB, current=500 * MIB, stat=stat)
    found = free_memory(root)
    # All of the inactive pages, half of the active ones, and the kernel's own caches.
    assert found.bytes == GIB - (500 - 100 - 100 - 10) * MIB
    assert found.limit == "under the limit of control group /system.slice/f.service (1.0 GB)"
    assert not found.shared


def test_the_tightest_group_counts(tmp_path):
    root = second(tmp_path, "/a/b", max="max", current=10 * MIB)
    lay(root, {"sys/fs/cgroup/a/memory.max": f"{GIB}\n"})
    lay(root, {"sys/fs/cgroup/a/memory.current": f"{GIB - 100 * MIB}\n"})
    assert free_memory(root).bytes == 100 * MIB
    lay(root, {"sys/fs/cgroup/a/b/memory.max": f"{50 * MIB}\n"})
    assert free_memory(root).bytes == 40 * MIB
    # Above its high mark a group is slowed down, which is no room either.
    lay(root, {"sys/fs/cgroup/a/b/memory.high": f"{30 * MIB}\n"})
    assert free_memory(root).bytes == 20 * MIB


def test_a_group_over_its_limit_leaves_nothing(tmp_path):
    assert free_memory(second(tmp_path, "/a", max=MIB, current=2 * MIB)).bytes == 0


def test_a_group_with_more_room_than_the_machine_does_not_count(tmp_path):
    found = free_memory(second(tmp_path, "/a", max=100 * GIB, current=MIB))
    assert found == Free(4 * GIB, "of the machine's memory")


def test_groups_of_the_first_version(tmp_path):
    folder = "sys/fs/cgroup/memory/docker/0123"
    stat = f"inactive_file 1\ntotal_inactive_file {50 * MIB}\ntotal_active_file {20 * MIB}\n"
    root = lay(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/docker/0123\n0::/\n",
            f"{folder}/memory.limit_in_bytes": f"{GIB}\n",
            f"{folder}/memory.usage_in_bytes": f"{300 * MIB}\n",
            f"{folder}/memory.stat": stat,
        },
    )
    found = free_memory(root)
    assert found.bytes == GIB - (300 - 50 - 10) * MIB
    assert "control group /memory/docker/0123" in found.limit


def test_a_user_may_allow_less_but_not_more():
    free = Free(4 * GIB, "of the machine's memory")
    assert free.within(None) == free
    assert free.within(8 * GIB) == free
    less = free.within(GIB)
    assert (less.bytes, less.limit) == (GIB, "under --memory-limit 1.0 GB")
    assert not less.shared


def process(root: Path, pid: int, name: str, pages: int, parent: int = 1) -> None:
    lay(
        root,
        {
            f"proc/{pid}/comm": f"{name}\n",
            f"proc/{pid}/cmdline": f"{name}\0--password=secret\0",
            f"proc/{pid}/statm": f"99999 {pages} 10 1 0 5 0\n",
            f"proc/{pid}/stat": f"{pid} ({name}) S {parent} 1 1 0",
        },
    )


def test_the_largest_are_named_without_their_arguments(tmp_path):
    page = os.sysconf("SC_PAGE_SIZE")
    process(tmp_path, 12, "small", 10)
    process(tmp_path, 13, "chromium) 1 (x\x1b[31m", 3 * GIB // page)
    process(tmp_path, 14, "kworker", 0)
    process(tmp_path, 15, "shell", GIB // page)
    process(tmp_path, 16, "middle", 500 * MIB // page)
    # Ourselves, our parent, and one that has just ended.
    process(tmp_path, os.getpid(), "python", GIB // page, parent=15)
    (tmp_path / "proc/17").mkdir()
    (tmp_path / "proc/uptime").write_text("1 1")
    found = largest_holders(tmp_path, count=2)
    assert [item.pid for item in found] == [13, 16]
    assert str(found[0]) == "chromium? 1 ?x??31m (3.0 GB, pid 13)"
    assert str(found[1]) == "middle (500 MB, pid 16)"
    assert not any("secret" in str(item) for item in largest_holders(tmp_path, count=9))


def test_the_largest_of_this_machine_are_others():
    found = largest_holders(count=5)
    assert os.getpid() not in [item.pid for item in found]
    sizes = [item.resident_bytes for item in found]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1G", GIB),
        ("1g", GIB),
        ("1.5GiB", 3 * GIB // 2),
        ("512M", 512 * MIB),
        ("512 MB", 512 * MIB),
        ("800k", 800 << 10),
        ("4096", 4096),
        (".5T", 1 << 39),
    ],
)
def test_amounts_are_read(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "G", "-1G", "1E", "1,5G", "0", "0.0001K", "nan", "inf", "1e9", "٣G", "9" * 99]
)
def test_what_is_no_amount_is_refused(text):
    with pytest.raises(UsageError, match="is no amount of memory"):
        parse_bytes(text)


@given(st.integers(1, 1 << 48))
def test_what_is_shown_can_be_read_and_is_near(size):
    shown = parse_bytes(show_bytes(size))
    assert shown == pytest.approx(size, rel=0.06)


@given(st.text(max_size=30))
def test_any_text_is_an_amount_or_one_line(text):
    try:
        size = parse_bytes(text)
    except UsageError as error:
        message = str(error)
        assert "\n" not in message
        return
    assert size >= 1
