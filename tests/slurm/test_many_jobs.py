"""slurm/sweep.sbatch and slurm/pipeline.sh on a real SLURM, edited for small problems as a user would edit them for his."""

import json
import re

import pytest
from clusters import JOB as LONGER
from clusters import LONGEST, ROOT, log_of
from processes import wait_until

from hnn_hpc import load_model

JOB = '[data]\nsystem = "pendulum"\nsamples = 300\ntest_samples = 100\n'


@pytest.fixture
def edited(tmp_path):
    """A function that writes a copy of a script with lines replaced, and returns its path."""

    def edit(name, **lines):
        text = (ROOT / "slurm" / name).read_text()
        for beginning, line in lines.items():
            text, found = re.subn(rf"^{beginning}=.*$", line, text, flags=re.MULTILINE)
            assert found == 1
        path = tmp_path / name
        path.write_text(text)
        return path

    return edit


def test_a_sweep_of_six_fits_of_which_one_fails(user, edited, tmp_path):
    (tmp_path / "job.toml").write_text(JOB)
    script = edited("sweep.sbatch", seeds="seeds=(0 1) widths=(20 30 40) samplers=(elm)")
    folder = tmp_path / "100% mine"
    occupied = folder / "elm-30-1/model.h5"
    occupied.parent.mkdir(parents=True)
    occupied.write_text("of somebody else")
    words = [f"--output={tmp_path}/slurm-%A_%a.out", "--ntasks-per-node=1", script, tmp_path / "job.toml", folder, "--set", "data.seed=3"]
    job = user.submit(*words)
    members = [f"{job}_{task}" for task in range(6)]
    ends = {member: user.end(member)[:2] for member in members}
    assert ends == {member: ("FAILED", 2) if member == f"{job}_3" else ("COMPLETED", 0) for member in members}
    assert occupied.read_text() == "of somebody else"

    runs = json.loads(user.run("hnn-hpc", "status", folder, "--json", "--quiet"))["runs"]
    names = [f"elm-{width}-{seed}" for width in (20, 30, 40) for seed in (0, 1)]
    assert [run["directory"].rpartition("/")[2] for run in runs] == names
    assert [run["state"] for run in runs] == ["failed" if name == "elm-30-1" else "finished" for name in names]
    asked = [(run["result"]["features"], run["result"]["seeds"]["features"]) for run in runs if run["result"]]
    assert asked == [(width, seed) for width in (20, 30, 40) for seed in (0, 1) if (width, seed) != (30, 1)]
    assert {run["result"]["job"]["data"]["seed"] for run in runs if run["result"]} == {3}
    table = user.run("hnn-hpc", "status", folder)
    assert "model.h5 exists; pass --force" in table and "6 fits: 1 failed, 5 finished" in table

    # Sent again, it computes what is missing.
    before = {name: (folder / name / "model.h5").stat().st_mtime_ns for name in names}
    occupied.unlink()
    again = user.submit(*words)
    assert {user.end(f"{again}_{task}")[:2] for task in range(6)} == {("COMPLETED", 0)}
    changed = [name for name in names if (folder / name / "model.h5").stat().st_mtime_ns != before[name]]
    assert changed == ["elm-30-1"]


def test_a_task_that_is_told_is_queued_again_alone(user, edited, tmp_path):
    """The last task of an array has the number of the array, which stands for all of them elsewhere."""
    (tmp_path / "job.toml").write_text(LONGER.format(samples=100_000, features=600))
    script, folder = edited("sweep.sbatch", seeds="seeds=(0 1) widths=(600) samplers=(anchored)"), tmp_path / "sweep"
    job = user.submit(f"--output={tmp_path}/slurm-%A_%a.out", "--array=0-1", "--ntasks-per-node=1", script, tmp_path / "job.toml", folder)
    wait_until(lambda: len(list(folder.glob("*/checkpoint/*node-*"))) >= 2, "nothing was saved")
    numbers = {task: re.search(r"JobId=(\d+)", user.run("scontrol", "--oneliner", "show", "job", f"{job}_{task}"))[1] for task in (0, 1)}
    [told] = [task for task in numbers if numbers[task] == job]
    user.run("scancel", "--batch", "--signal=USR1", f"{job}_{told}")
    assert user.end(f"{job}_{told}") == ("COMPLETED", 0, 1)
    assert user.end(f"{job}_{1 - told}") == ("COMPLETED", 0, 0)


def test_a_task_too_many_is_told(user, edited, tmp_path):
    (tmp_path / "job.toml").write_text(JOB)
    script = edited("sweep.sbatch", seeds="seeds=(0) widths=(20) samplers=(elm)")
    job = user.submit(f"--output={tmp_path}/slurm-1.out", "--array=1", script, tmp_path / "job.toml", tmp_path / "sweep")
    assert user.end(f"{job}_1")[0] == "FAILED"
    assert "the array has more tasks than there are combinations" in log_of(tmp_path) and not (tmp_path / "sweep").exists()


def test_a_pipeline_from_samples_to_a_report(user, edited, tmp_path):
    folder = tmp_path / "out"
    (tmp_path / "job.toml").write_text(f'[data]\nfile = "out/samples.h5"\n[features]\ncount = 50\n[output]\ndirectory = "{folder}"\n')
    script = edited("pipeline.sh", system=f"system=pendulum samples=400 job={tmp_path}/job.toml folder={folder}")
    said = user.run("bash", script, "--time=5")
    jobs = re.match(r"sent (\d+), (\d+), (\d+), (\d+) and (\d+);", said).groups()
    assert [user.end(job)[:2] for job in jobs] == [("COMPLETED", 0)] * 5
    assert load_model(folder / "model.h5").provenance["samples"]["seed"] == 1
    assert {path.name for path in folder.iterdir()} == {
        *("samples.h5", "others.h5", "model.h5", "result.json", "report.html", "report"),
        *(f"slurm-{job}.out" for job in jobs),
    }
    evaluated = (folder / f"slurm-{jobs[3]}.out").read_text()
    assert re.search(r"samples +400 samples", evaluated) and re.search(r"energy error +\d", evaluated)
    assert user.run("squeue", "--noheader", "--format=%C", "--states=all", f"--jobs={jobs[2]}").strip() == "2"

    # Where one fails, those that wait for it are taken off the queue.
    script = edited("pipeline.sh", system=f"system=pendulum samples=0 job={tmp_path}/job.toml folder={folder}")
    said = user.run("bash", script)
    jobs = re.match(r"sent (\d+), (\d+), (\d+), (\d+) and (\d+);", said).groups()
    assert user.end(jobs[0])[:2] == ("FAILED", 2)
    wait_until(lambda: [user.state(job)[0] for job in jobs[2:]] == ["CANCELLED"] * 3, f"some still wait after {LONGEST} s")
