"""Time limits in the forms that SLURM takes."""

import math

import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.submission.times import check_limit, checked_limit, parse_time, time_text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("90", 5400),
        ("1:30", 90),
        ("30:00", 1800),
        ("12:00:00", 43_200),
        ("1-12", 129_600),
        ("1-12:30", 131_400),
        ("1-00:00:00", 86_400),
        ("30-00:00:01", 30 * 86_400 + 1),
        ("infinite", math.inf),
        ("UNLIMITED", math.inf),
        ("n/a", math.inf),
    ],
)
def test_the_forms_of_sbatch_and_sinfo_are_read(text, seconds):
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "1h", "1:2:3:4", "1-", "-", "12:", ":30", "1.5", "1-2-3", "one"])
def test_what_is_no_time_limit_is_refused(text):
    with pytest.raises(UserError, match="is no time limit: expected HH:MM:SS, D-HH:MM:SS, or a number of minutes"):
        parse_time(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(600, "00:10:00"), (601, "00:11:00"), (86_399, "1-00:00:00"), (100 * 86_400 + 3600, "100-01:00:00")]
)
def test_a_time_limit_is_told_in_whole_minutes_and_read_back(seconds, text):
    assert time_text(seconds) == text
    assert 0 <= parse_time(text) - seconds < 60


def test_a_limit_leaves_time_to_work_in():
    check_limit(240, 180)
    with pytest.raises(
        UserError, match="^a time limit of 119 s is too short: this job is told to save 60 s ahead, .* pass --time 00:04:00"
    ):
        check_limit(119, 60)


def test_a_limit_is_a_number():
    assert checked_limit("2", "--time") == 120
    for text in ("0", "infinite", "99999999999999-0"):
        with pytest.raises(
            UserError, match=f"^--time {text}: expected HH:MM:SS, D-HH:MM:SS, or a number of minutes, above 0 and at most a year"
        ):
            checked_limit(text, "--time")
    with pytest.raises(UserError, match="^--time: 'soon' is no time limit"):
        checked_limit("soon", "--time")
