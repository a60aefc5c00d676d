"""Numbers fit narrow columns and never round a missing prompt away."""

import pytest

from evsctl.status import amounts


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, ""), (0, "0s"), (45, "45s"), (59.6, "1m00"), (257, "4m17"), (4320, "1h12"), (86_399, "23h59"), (183_600, "2d03h")],
)
def test_a_span_has_at_most_six_signs(seconds, words):
    assert amounts.span(seconds) == words
    assert len(words) <= 6


@pytest.mark.parametrize(("seconds", "words"), [(20, "20s"), (60, "1m"), (89, "1m"), (5400, "2h"), (7200, "2h"), (130_000, "2d")])
def test_a_rough_span_has_one_figure(seconds, words):
    assert amounts.rough_span(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"), [(None, "never"), (12, "12 s ago"), (180, "3 min ago"), (7200, "2 h ago"), (300_000, "3 days ago")]
)
def test_an_age_is_told_in_words(seconds, words):
    assert amounts.age(seconds) == words


@pytest.mark.parametrize(
    ("rate", "words"),
    [(None, ""), (0.0, ""), (1234.4, "1,234/s"), (41.2, "41/s"), (1.5, "1.5/s"), (0.68, "0.68/s"), (0.05, "3/min"), (0.005, "18/h")],
)
def test_a_slow_rate_is_told_per_minute_or_hour(rate, words):
    assert amounts.rate(rate) == words


@pytest.mark.parametrize(
    ("minutes", "words"), [(30, "30m"), (60, "1h"), (90, "1h30"), (240, "4h"), (2160, "1d12h"), (2880, "2d"), (0, "no limit")]
)
def test_a_walltime_is_short(minutes, words):
    assert amounts.walltime(minutes) == words


@pytest.mark.parametrize(
    ("value", "words"), [(0.0, "0 %"), (0.01, "<1 %"), (49.3, "49 %"), (99.7, "99 %"), (99.9, "99 %"), (100.0, "100 %")]
)
def test_hundred_percent_means_that_nothing_is_missing(value, words):
    assert amounts.percent(value) == words
