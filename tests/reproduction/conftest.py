"""A tiny reproduction: two cases, one of them with published figures."""

import pytest

PUBLISHED = """
source = "a paper"
figures = "means"
[cases.wide]
title = "the pendulum"
job = "pendulum.toml"
widths = [8, 20]
[cases.wide.published.20]
hnn-adam = { energy_error = 2e-3, seconds = 90.8 }
elm = { energy_error = 1.5e-11 }
[cases.fast]
title = "frequency 2"
job = "pendulum.toml"
set = ["data.frequency = 2.0"]
"""
JOB = '[data]\nsystem = "pendulum"\nsamples = 60\ntest_samples = 50\n[features]\ncount = 12\n'


@pytest.fixture
def folder(tmp_path):
    """A folder with published.toml and the job file that its cases name."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "published.toml").write_text(PUBLISHED)
    (folder / "pendulum.toml").write_text(JOB)
    return folder
