"""The meter: how fast it goes, when it will be done, how much memory it took."""

import logging
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import torch

log = logging.getLogger(__name__)

LOG_SECONDS = 30.0
WINDOW_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Rates:
    """What the meter shows now."""

    prompts_per_second: float | None
    tokens_per_second: float | None
    eta_seconds: float | None


class Meter:
    """Measures over the last two minutes; the time left counts the cost of the packs left, not their number."""

    def __init__(self, total_cost: int) -> None:
        self._points: deque[tuple[float, int, int, int]] = deque([(time.monotonic(), 0, 0, 0)])
        self._total_cost = total_cost
        self._logged = time.monotonic()

    def add(self, prompts: int, tokens: int, cost: int) -> None:
        """Note a finished pack."""
        _, p, t, c = self._points[-1]
        now = time.monotonic()
        self._points.append((now, p + prompts, t + tokens, c + cost))
        while len(self._points) > 2 and now - self._points[0][0] > WINDOW_SECONDS:
            self._points.popleft()

    def rates(self) -> Rates:
        """Rates over the window; None before the first pack."""
        (t0, p0, n0, c0), (t1, p1, n1, c1) = self._points[0], self._points[-1]
        span = t1 - t0
        if span <= 0:
            return Rates(None, None, None)
        return Rates((p1 - p0) / span, (n1 - n0) / span, max(0, self._total_cost - c1) * span / (c1 - c0) if c1 > c0 else None)

    def log_line(self, pack: int, packs: int, done: int, total: int, *, force: bool = False) -> None:
        """Log where the run stands, at most every 30 s."""
        now = time.monotonic()
        if not force and now - self._logged < LOG_SECONDS:
            return
        self._logged = now
        rates = self.rates()
        speed = (
            f"{rates.prompts_per_second:.1f} prompts/s {rates.tokens_per_second:,.0f} tokens/s"
            if rates.prompts_per_second
            else "- prompts/s"
        )
        log.info("pack %d/%d done %s/%s %s ETA %s", pack, packs, f"{done:,}", f"{total:,}", speed, clock(rates.eta_seconds))


def clock(seconds: float | None) -> str:
    """`4m46s`, `2h05m`, `38s`; `-` where unknown."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02d}s"
    return f"{whole // 3600}h{whole % 3600 // 60:02d}m"


def peak_host_memory_gb() -> float | None:
    """The most memory this process ever held, in GB (10⁹ bytes); None where the kernel does not say."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e9
    except (OSError, ValueError, IndexError):
        pass
    return None


def peak_gpu_memory_gb() -> float | None:
    """The most that torch ever allocated on one GPU, in GB (10⁹ bytes); None without a GPU."""
    if not torch.cuda.is_available():
        return None
    return max(torch.cuda.max_memory_allocated(i) for i in range(torch.cuda.device_count())) / 1e9
