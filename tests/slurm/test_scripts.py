"""The scripts are clean, and those for a site are short enough to be edited."""

import subprocess
import sys
from pathlib import Path

import pytest

SLURM = Path(__file__).parents[2] / "slurm"
TO_EDIT = [*sorted(SLURM.glob("*.sbatch")), SLURM / "pipeline.sh"]


@pytest.mark.parametrize("script", [*TO_EDIT, Path(__file__).with_name("cluster.sh")], ids=lambda script: script.name)
def test_scripts_are_clean(script):
    shellcheck = [Path(sys.executable).with_name("shellcheck"), "--shell=bash", "--exclude=SC1091", script]
    for words in (["bash", "-n", script], shellcheck):
        done = subprocess.run(words, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("script", TO_EDIT, ids=lambda script: script.name)
def test_a_script_for_a_site_has_at_most_25_lines_and_starts_one_step(script):
    lines = script.read_text().splitlines()
    commands = [line for line in lines if not line.startswith("#") or line.startswith("#SBATCH")]
    assert len(lines) <= 25 and sum("srun " in line for line in commands) == (script.name != "reproduce.sbatch")
