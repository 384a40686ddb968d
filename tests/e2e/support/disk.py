"""What lies in a directory, and a disk that is full for one process."""

from __future__ import annotations

import contextlib
import hashlib
import resource
from collections.abc import Iterator
from pathlib import Path

# path -> (size, modification time in nanoseconds, digest of the content)
Listing = dict[str, tuple[int, int, str]]


def listing(directory: Path) -> Listing:
    """Every file in the directory and below; equal to another listing if nothing has changed."""
    return {
        str(path.relative_to(directory)): (
            path.stat().st_size,
            path.stat().st_mtime_ns,
            hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in files(directory)
    }


def files(directory: Path, pattern: str = "*") -> list[Path]:
    return sorted(path for path in directory.rglob(pattern) if path.is_file())


def journal(directory: Path) -> Path:
    """The file that takes the writes now: RocksDB's log, or redis-server's append-only file."""
    logs = files(directory, "[0-9]*.log") + files(directory, "*.incr.aof")
    return max(logs, key=lambda path: path.stat().st_mtime_ns)


def written_bytes(pid: int) -> int:
    """Bytes that the process has caused to be written to disk so far, in whole pages."""
    with open(f"/proc/{pid}/io") as counters:
        line = next(line for line in counters if line.startswith("write_bytes:"))
    return int(line.split()[1])


@contextlib.contextmanager
def full_disk(pid: int, largest: int = 0) -> Iterator[None]:
    """Meanwhile no file of the process may grow beyond `largest` bytes: its writes fail.

    The process may end meanwhile.
    """
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (largest, before[1]))
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, before)
