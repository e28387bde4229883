"""Wall time, CPU time and peak memory of a command with every process that it starts, read from /proc (Linux).

Ray's processes outlive the process that starts them and are not waited for by it, so what the system accounts to a
parent for its children misses them. They are found here by what they inherit: their parent, or a mark in their
environment. A process is sampled five times a second: what it does after its last sample is lost.
"""

import os
import re
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE_SECONDS = 0.2
# Ray's own processes need a moment to go after the command ended.
LINGER_SECONDS = 20.0
_MARK = "MFLAB_BENCHMARK"
# Title of a Ray process at work; its agents serve the node.
_WORKER = re.compile(rb"ray::(?!IDLE|\w+Agent)")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """What a command took.

    Attributes:
        status: exit status.
        wall_seconds: from its start to its exit.
        cpu_seconds: user and system time of all its processes, those of Ray included.
        peak_gb: peak resident memory of the command's first process, 1e9 bytes.
        worker_peak_gb: largest peak resident memory of a Ray worker; 0 without one.
        num_workers: Ray workers that did something.
        others_share: share of the machine that other processes, or its host, took meanwhile; wall times with more than
            a few hundredths say little.
    """

    status: int
    wall_seconds: float
    cpu_seconds: float
    peak_gb: float
    worker_peak_gb: float
    num_workers: int
    others_share: float


class _Sampler:
    """Keeps the last CPU time and the peak memory of every process with a mark, or with a parent that has it."""

    def __init__(self, mark: str, first: int) -> None:
        self.mark, self.first = f"{_MARK}={mark}".encode(), first
        # (process id, start time): ids are used again.
        self.is_own: dict[tuple[int, int], bool] = {}
        self.cpu_seconds: dict[tuple[int, int], float] = {}
        self.worker_peaks_gb: dict[tuple[int, int], float] = {}
        self.peak_gb = 0.0

    def sample(self) -> bool:
        """Reads all processes; whether any of the command's is alive."""
        alive: dict[int, tuple[int, tuple[int, int], float]] = {}
        for name in os.listdir("/proc"):
            if name.isdecimal() and (read := _read_stat(int(name))) is not None:
                alive[int(name)] = read
        own = [pid for pid in alive if self._is_own(pid, alive)]
        for pid in own:
            _, key, seconds = alive[pid]
            self.cpu_seconds[key] = seconds
            if pid == self.first:
                self.peak_gb = max(self.peak_gb, _peak_gb(pid))
            if _WORKER.match(_read(pid, "cmdline")):
                self.worker_peaks_gb[key] = _peak_gb(pid)
        return bool(own)

    def _is_own(self, pid: int, alive: Mapping[int, tuple[int, tuple[int, int], float]]) -> bool:
        parent, key, _ = alive[pid]
        if key not in self.is_own:
            # A worker writes its title over its environment: the first look decides.
            is_marked = pid == self.first or self.mark in _read(pid, "environ").split(b"\0")
            self.is_own[key] = is_marked or (parent in alive and self._is_own(parent, alive))
        return self.is_own[key]


def measure(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Usage:
    """Runs a command in the repository and measures it; returns once its last process is gone.

    Args:
        command: program and arguments.
        log: file for its output.
        environment: variables beside those of this process.
    """
    mark = uuid.uuid4().hex
    python_path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    variables = {**os.environ, "PYTHONPATH": python_path, **environment, _MARK: mark}
    with open(log, "wb") as output:
        started, busy = time.perf_counter(), _busy_seconds()
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=subprocess.STDOUT)
        sampler = _Sampler(mark, process.pid)
        try:
            while True:
                sampler.sample()
                try:
                    status = process.wait(SAMPLE_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        wall = time.perf_counter() - started
    others = _busy_seconds() - busy - sum(sampler.cpu_seconds.values())
    end = time.monotonic() + LINGER_SECONDS
    while sampler.sample() and time.monotonic() < end:
        time.sleep(SAMPLE_SECONDS)
    peaks = sampler.worker_peaks_gb.values()
    cpu = sum(sampler.cpu_seconds.values())
    share = max(0.0, others / (wall * (os.cpu_count() or 1)))
    return Usage(status, wall, cpu, sampler.peak_gb, max(peaks, default=0.0), len(peaks), share)


def _busy_seconds() -> float:
    """Time that all cores were busy since the machine started, what its host took from it included."""
    user, nice, system, _, _, irq, softirq, steal = map(int, Path("/proc/stat").read_text().split()[1:9])
    return (user + nice + system + irq + softirq + steal) / _TICKS


def _read(pid: int, name: str) -> bytes:
    """A file of a process; empty once it is gone, and where it belongs to someone else."""
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _read_stat(pid: int) -> tuple[int, tuple[int, int], float] | None:
    """Parent, identity and CPU seconds of a process; None once it is dead."""
    # The name of the program, in parentheses, may hold anything.
    values = _read(pid, "stat").rpartition(b")")[2].split()
    if not values or values[0] in (b"Z", b"X"):
        return None
    return int(values[1]), (pid, int(values[19])), (int(values[11]) + int(values[12])) / _TICKS


def _peak_gb(pid: int) -> float:
    for line in _read(pid, "status").splitlines():
        if line.startswith(b"VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e9
    return 0.0
