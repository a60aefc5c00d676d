"""Numbers as people read them in a narrow column: spans, ages, rates, walltimes."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


def span(seconds: float | None) -> str:
    """A length of time in at most six signs: `45s`, `4m17`, `1h12`, `2d03h`; empty where it is unknown."""
    if seconds is None:
        return ""
    whole = max(0, round(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < HOUR:
        return f"{whole // 60}m{whole % 60:02d}"
    if whole < DAY:
        return f"{whole // 3600}h{whole % 3600 // 60:02d}"
    return f"{whole // 86400}d{whole % 86400 // 3600:02d}h"


def rough_span(seconds: float) -> str:
    """A length of time to one figure's use: `40s`, `12m`, `2h`, `3d`."""
    whole = max(0.0, seconds)
    for unit, letter in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if whole >= unit * 1.5 or (unit == MINUTE and whole >= unit):
            return f"{round(whole / unit)}{letter}"
    return f"{round(whole)}s"


def age(seconds: float | None) -> str:
    """An age in words: `12 s ago`, `3 min ago`, `2 h ago`, `4 days ago`; `never` where there is none."""
    if seconds is None:
        return "never"
    if seconds < MINUTE:
        return f"{round(max(0.0, seconds))} s ago"
    if seconds < HOUR:
        return f"{round(seconds / MINUTE)} min ago"
    if seconds < 2 * DAY:
        return f"{round(seconds / HOUR)} h ago"
    return f"{round(seconds / DAY)} days ago"


def rate(per_second: float | None) -> str:
    """Prompts per second, or per minute or hour where they are slow: `41/s`, `0.68/s`, `3/min`, `24/h`; empty where unknown."""
    if per_second is None or per_second <= 0:
        return ""
    if per_second >= 10:
        return f"{per_second:,.0f}/s"
    if per_second >= 0.1:
        return f"{per_second:.2g}/s"
    return f"{per_second * 60:.0f}/min" if per_second * 60 >= 1 else f"{per_second * 3600:.0f}/h"


def walltime(minutes: int) -> str:
    """A time limit: `4h`, `1h30`, `30m`, `2d`, `1d12h`; 0 is `no limit`."""
    if minutes <= 0:
        return "no limit"
    days, rest = divmod(minutes, 24 * 60)
    hours, left = divmod(rest, 60)
    if days:
        return f"{days}d{hours}h" if hours else f"{days}d"
    if not hours:
        return f"{left}m"
    return f"{hours}h{left:02d}" if left else f"{hours}h"


def gigabytes(value: float | None) -> str:
    """`61 GB`, `7.4 GB`; empty where unknown."""
    if value is None:
        return ""
    return f"{value:.1f} GB" if value < 10 and value != round(value) else f"{value:.0f} GB"


def percent(value: float) -> str:
    """A share that says 100 % only when nothing is missing, 0 % only when nothing is there: `<1 %`, `49 %`, `99 %`."""
    if 0.0 < value < 1.0:
        return "<1 %"
    return "100 %" if value >= 100.0 else f"{min(99, round(value))} %"
