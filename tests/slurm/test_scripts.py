"""The scripts are clean, and the one for a site is short enough to be edited."""

import subprocess
import sys
from pathlib import Path

import pytest

SBATCH = Path(__file__).parents[2] / "slurm/reproduce.sbatch"


@pytest.mark.parametrize("script", [SBATCH, Path(__file__).with_name("cluster.sh")], ids=lambda script: script.name)
def test_scripts_are_clean(script):
    shellcheck = [Path(sys.executable).with_name("shellcheck"), "--shell=bash", "--exclude=SC1091", script]
    for words in (["bash", "-n", script], shellcheck):
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_script_for_a_site_has_at_most_25_lines():
    assert len(SBATCH.read_text().splitlines()) <= 25
