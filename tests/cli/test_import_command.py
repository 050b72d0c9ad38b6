"""`hnn-hpc import`: tables of one's own to sample files and back, and every mistake is one sentence with nothing written."""

import json
import re

import h5py
import numpy as np
import pytest

from hnn_hpc.cli import main
from hnn_hpc.importing import checked_rows, sample_file
from hnn_hpc.storage import SampleFile
from hnn_hpc.tables import text

NAMES = ["q1", "q2", "p1", "p2"]
VELOCITIES = ["dq1", "dq2", "dp1", "dp2"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    """Import a file that can be used; return the JSON object."""

    def run(*arguments, output="samples.h5"):
        assert main(["import", *arguments, "--output", output, "--json"]) == 0
        return json.loads(capsys.readouterr().out.splitlines()[-1])

    return run


@pytest.fixture
def refused(folder, capsys):
    """Import a file that cannot be used; return the sentence."""

    def refused(*arguments, output="samples.h5"):
        before = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert main(["import", *arguments, "--output", output]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("hnn-hpc: error: ") and err.count("\n") == 1
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
        return err

    return refused


def write_table(path, names, numbers, delimiter=","):
    lines = [delimiter.join(names), *(delimiter.join(map(repr, row)) for row in np.asarray(numbers).tolist())]
    path.write_text("\n".join(lines) + "\n")


def numbers(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


@pytest.mark.parametrize("energy", [False, True])
def test_points_with_velocities_come_back_bit_by_bit(run, folder, seed, energy, monkeypatch):
    monkeypatch.setattr(text, "FIELDS", 90)
    monkeypatch.setattr(sample_file, "SLICE_BYTES", 700)
    x, v, H = numbers(seed, 50, 4), numbers(seed + 1, 50, 4), numbers(seed + 2, 50)
    write_table(folder / "data.csv", [*VELOCITIES, "E", *NAMES], np.column_stack([v, H, x]))
    options = ["--columns", ",".join(NAMES), "--velocities", ",".join(VELOCITIES), *(["--energy", "E"] if energy else [])]
    result = run("data.csv", *options)
    source = SampleFile("samples.h5")
    points, velocities, energies = source.read(0, 50)
    np.testing.assert_array_equal(points, x)
    np.testing.assert_array_equal(velocities, v)
    assert np.array_equal(energies, H) if energy else energies is None
    assert (result["samples"], result["dof"], result["velocities"], result["energies"]) == (50, 2, True, energy)
    assert result["ranges"] == {name: [x[:, i].min(), x[:, i].max()] for i, name in enumerate(NAMES)}
    np.savez("data.npz", x=x, v=v, E=H)
    run("data.npz", "--columns", "x", "--velocities", "v", *(["--energy", "E"] if energy else []), output="arrays.h5")
    with h5py.File("samples.h5") as one, h5py.File("arrays.h5") as two:
        assert set(one) == set(two) == {"points", "velocities"} | ({"energies"} if energy else set())
        assert all(np.array_equal(one[name], two[name]) for name in one)


@pytest.mark.parametrize("with_velocities", [False, True])
@pytest.mark.parametrize("form", ["time jumps back", "labels", "interleaved", "arrays"])
def test_trajectories_come_back_bit_by_bit(run, folder, seed, form, with_velocities, monkeypatch):
    monkeypatch.setattr(text, "FIELDS", 90)
    monkeypatch.setattr(sample_file, "SLICE_BYTES", 700)
    x, v, t = numbers(seed, 6, 11, 4), numbers(seed + 1, 6, 11, 4), 0.05 * np.arange(11)
    options = ["--time", "t", *(["--velocities", "v" if form == "arrays" else ",".join(VELOCITIES)] if with_velocities else [])]
    if form == "arrays":
        np.savez("data.npz", x=x, v=v, t=t)
        result = run("data.npz", "--columns", "x", *options)
    else:
        labels, times = np.repeat(np.arange(6.0), 11), np.tile(t, 6)
        rows = np.column_stack([labels, times, x.reshape(66, 4), v.reshape(66, 4)])
        rows = rows.reshape(6, 11, -1).swapaxes(0, 1).reshape(66, -1) if form == "interleaved" else rows
        write_table(folder / "data.csv", ["run", "t", *NAMES, *VELOCITIES], rows, "\t")
        result = run("data.csv", "--columns", ",".join(NAMES), *options, *([] if form == "time jumps back" else ["--trajectory", "run"]))
    with h5py.File("samples.h5") as file:
        assert set(file) == {"trajectories", "time_step"} | ({"velocities"} if with_velocities else set())
        np.testing.assert_array_equal(file["trajectories"], x)
        assert file["time_step"][()] == 0.05
        assert not with_velocities or np.array_equal(file["velocities"], v)
    found = {key: result[key] for key in ("trajectories", "states", "trajectories_found", "states_left_out", "time_step")}
    assert found == {"trajectories": 6, "states": 11, "trajectories_found": 6, "states_left_out": 0, "time_step": 0.05}


def test_trajectories_of_different_lengths_are_cut_into_pieces(run, folder, seed, capsys):
    lengths = [21, 11, 32]  # 20, 10 and 31 steps
    x = [numbers(seed + i, length, 2) for i, length in enumerate(lengths)]
    rows = np.concatenate([np.column_stack([0.5 * np.arange(length), points]) for length, points in zip(lengths, x, strict=True)])
    write_table(folder / "data.csv", ["t", "q", "p"], rows)
    result = run("data.csv", "--columns", "q,p", "--time", "t")
    assert (result["trajectories"], result["states"], result["states_left_out"], result["trajectories_found"]) == (6, 11, 1, 3)
    begins = [(0, 0), (0, 10), (1, 0), (2, 0), (2, 10), (2, 20)]
    with h5py.File("samples.h5") as file:
        np.testing.assert_array_equal(file["trajectories"], [x[i][first : first + 11] for i, first in begins])
    assert main(["import", "data.csv", "--columns", "q,p", "--time", "t", "--output", "samples.h5", "--force"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^trajectories +6 of 11 states, cut from the 3 in the table$", out, re.MULTILINE)
    assert re.search(r"^left out +1 state \(1\.6%\), ends of trajectories that fill no piece$", out, re.MULTILINE)


def test_pieces_with_velocities_share_no_state(run, folder, seed):
    rows = np.column_stack([np.concatenate([np.arange(20), np.arange(10)]), numbers(seed, 30, 4)])
    write_table(folder / "data.csv", ["t", "q", "p", "dq", "dp"], rows)
    run("data.csv", "--columns", "q,p", "--velocities", "dq,dp", "--time", "t")
    with h5py.File("samples.h5") as file:
        np.testing.assert_array_equal(file["trajectories"], rows[:, 1:3].reshape(3, 10, 2))
        np.testing.assert_array_equal(file["velocities"], rows[:, 3:].reshape(3, 10, 2))


def test_a_time_step_in_place_of_times(run, folder, seed):
    x = numbers(seed, 5, 8, 2)
    np.save("data.npy", x)
    assert run("data.npy", "--columns", "1,2", "--time-step", "0.25")["time_step"] == 0.25
    write_table(folder / "data.csv", ["q", "p"], x.reshape(40, 2))
    run("data.csv", "--columns", "q,p", "--time-step", "0.25", output="one.h5")
    with h5py.File("samples.h5") as file, h5py.File("one.h5") as one:
        np.testing.assert_array_equal(file["trajectories"], x)
        np.testing.assert_array_equal(one["trajectories"], x.reshape(1, 40, 2))
        assert file["time_step"][()] == one["time_step"][()] == 0.25


def test_arrays_of_trajectories_with_velocities_need_no_time(run, seed):
    x, v = numbers(seed, 5, 8, 2), numbers(seed + 1, 5, 8, 2)
    np.savez("data.npz", x=x, v=v)
    assert run("data.npz", "--columns", "x", "--velocities", "v")["time_step"] is None
    np.testing.assert_array_equal(SampleFile("samples.h5").read(0, 40).velocities, v.reshape(40, 2))


def test_velocities_may_be_momenta(run, folder, seed):
    write_table(folder / "data.csv", ["q", "p", "force"], numbers(seed, 20, 3))
    run("data.csv", "--columns", "q,p", "--velocities", "p,force")
    points, velocities, _ = SampleFile("samples.h5").read(0, 20)
    np.testing.assert_array_equal(points[:, 1], velocities[:, 0])


def test_the_summary_says_what_is_there_and_what_comes_next(run, folder, capsys):
    (folder / "data.csv").write_text("0,1.5,-2\n0.1,2.5,4\n0.2,3.5,5\n")
    assert main(["import", "data.csv", "--columns", "2,3", "--time", "1", "--output", "samples.h5"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "written       samples.h5",
        "read          data.csv, 3 rows",
        "found         text, columns separated by commas, no header",
        "coordinates   q1 = column 2, p1 = column 3",
        "trajectories  1 of 3 states",
        "time step     0.1, steps differ by 0.0e+00 of it at most",
        "velocities    none: to be told from consecutive states",
        "energies      none: H is learned up to a constant",
        "q1            1.5 to 3.5",
        "p1            -2 to 5",
        "next          hnn-hpc fit JOB.toml, where JOB.toml has the two lines",
        "              [data]",
        '              file = "samples.h5"',
    ]
    assert main(["info", "samples.h5"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^/trajectories +1x3x2 float64$", out, re.MULTILINE) and re.search(r"^imported\.time +1$", out, re.MULTILINE)


def test_what_is_imported_is_fitted(run, folder, capsys):
    assert main(["generate", "pendulum", "--samples", "500", "--seed", "1", "--output", "true.h5", "--quiet"]) == 0
    x, v, H = SampleFile("true.h5").read(0, 500)
    write_table(folder / "data.csv", ["q", "p", "dq", "dp", "H"], np.column_stack([x, v, H]))
    run("data.csv", "--columns", "q,p", "--velocities", "dq,dp", "--energy", "H")
    (folder / "job.toml").write_text('[data]\nfile = "samples.h5"\n[features]\ncount = 100\n')
    assert main(["fit", "job.toml", "--quiet"]) == 0
    assert main(["evaluate", "results/job/model.h5", "true.h5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["energy_error"] < 1e-8


GOOD = "t,q,p,dq,dp,E,run\n0,1,2,3,4,5,a\n1,2,1,3,4,5,a\n2,5,3,3,4,5,b\n3,6,4,3,4,5,b\n"
POINTS = ["--columns", "q,p", "--velocities", "dq,dp"]
STATES = ["--columns", "q,p", "--time", "t"]
MISTAKES = {
    "no column": (GOOD, ["--columns", "q,pp", "--time", "t"], "data.csv has no column 'pp'; did you mean 'p'?"),
    "no energy": (GOOD, [*POINTS, "--energy", "energy"], "has no column 'energy'"),
    "no time": (GOOD, ["--columns", "q,p", "--time", "time"], "has no column 'time'"),
    "no trajectory": (GOOD, [*STATES, "--trajectory", "id"], "has no column 'id'"),
    "odd": (GOOD, ["--columns", "q,p,E", "--time", "t"], "--columns names 3 coordinates; expected an even number, q1..qn and then p1..pn"),
    "few velocities": (GOOD, ["--columns", "q,p", "--velocities", "dq"], "--velocities names 1 column; expected 2"),
    "no name": (GOOD, ["--columns", "q,,p", "--time", "t"], "--columns q,,p: expected names of columns with commas between"),
    "nothing moves": (GOOD, ["--columns", "q,p"], "nothing tells how the states move: give --velocities (dx/dt), or --time"),
    "two times": (GOOD, [*STATES, "--time-step", "1"], "give either --time, a column, or --time-step"),
    "trajectory without time": (GOOD, [*POINTS, "--trajectory", "run"], "give --time or --time-step too"),
    "time step": (GOOD, ["--columns", "q,p", "--time-step", "-1"], "--time-step = -1.0: expected a positive number"),
    "tolerance": (GOOD, [*STATES, "--time-tolerance", "nan"], "--time-tolerance = nan: expected a finite number"),
    "twice": (GOOD, ["--columns", "q,q", "--time", "t"], "q of data.csv is named twice"),
    "velocities twice": (GOOD, ["--columns", "q,p", "--velocities", "dq,dq"], "dq of data.csv is named twice"),
    "time as coordinate": (GOOD, ["--columns", "q,t", "--time", "t"], "t of data.csv is named twice"),
    "word": (GOOD, ["--columns", "q,run", "--time", "t"], "line 2 of data.csv: run is 'a', not a number"),
    "NaN": ("t,q,p\n0,1,2\n# x\n1,nan,3\n", STATES, "line 4 of data.csv: q is nan; expected a finite number: repair or remove it"),
    "infinite velocity": ("q,p,dq,dp\n1,2,3,4\n2,3,1e999,4\n", POINTS, "line 3 of data.csv: dq is inf"),
    "NaN in time": ("t,q,p\n0,1,2\nnan,2,3\n", STATES, "line 3 of data.csv: t is nan"),
    "constant": ("t,q,p\n0,1,2\n1,1,3\n", STATES, "the coordinate q1 (q) of data.csv is constant, 1 in 2 rows, so that H"),
    "one row": ("q,p,dq,dp\n1,2,3,4\n", POINTS, "q1 (q) of data.csv is constant, 1 in 1 row"),
    "copy": ("t,q,p\n0,1,1\n1,2,2\n", STATES, "q1 (q) and p1 (p) of data.csv are the same in every row; is one a copy of the other?"),
    "unequal steps": ("t,q,p\n0,1,2\n1,2,4\n2,3,5\n# x\n3.5,4,6\n", STATES, "line 6 of data.csv: the step in time is 1.5, but mostly 1"),
    "time stands still": ("t,q,p\n0,1,2\n1,2,4\n1,3,5\n", STATES, "line 4 of data.csv: time stands still at 1"),
    "time goes back": (GOOD.replace("\n3,", "\n1,"), [*STATES, "--trajectory", "run"], "line 5 of data.csv: time goes back from 2 to 1"),
    "single states": ("t,q,p\n3,1,2\n2,2,4\n1,3,5\n", STATES, "none of 3 trajectories has two consecutive states"),
    "empty": ("", STATES, "data.csv is empty"),
    "no rows": ("t,q,p\n", STATES, "data.csv has a header but no rows"),
    "fields": ("t,q,p\n0,1,2\n1,2\n", STATES, "line 3 of data.csv has 2 fields; expected 3"),
    "numbers": ("0,1,2\n1,2,4\n", STATES, "data.csv has no column 'q': it has no header, so that its columns are named 1 to 3"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistakes(refused, folder, case):
    content, options, words = MISTAKES[case]
    (folder / "data.csv").write_text(content)
    assert words in refused("data.csv", *options)


def test_mistakes_in_arrays(refused):
    x = np.arange(24.0).reshape(2, 3, 4)
    np.savez("data.npz", x=x, t=np.arange(3.0), E=x[:, :, :3], bad=np.where(x == 17, np.nan, x))
    assert "leave out --trajectory" in refused("data.npz", "--columns", "x", "--time", "t", "--trajectory", "t")
    assert "--energy E stands for 3 columns" in refused("data.npz", "--columns", "x", "--time", "t", "--energy", "E")
    assert "--time E stands for 3 columns" in refused("data.npz", "--columns", "x", "--time", "E")
    words = "trajectory 1, state 1 (from 0 on) of data.npz: column 2 of bad is nan"
    assert words in refused("data.npz", "--columns", "bad", "--time", "t")


def test_mistakes_about_files(refused, folder):
    assert "none.csv does not exist; expected a table of numbers" in refused("none.csv", *STATES)
    (folder / "data.csv").write_bytes(b"t,q,p\n0,1,\xff\n")
    assert "line 2 of data.csv is not text in UTF-8" in refused("data.csv", *STATES)
    (folder / "data.csv").write_text(GOOD)
    assert "data.csv exists; pass --force" in refused("data.csv", *POINTS, output="data.csv")
    assert "--output data.csv is the table itself" in refused("data.csv", *POINTS, "--force", output="data.csv")
    assert "does not exist; create it first" in refused("data.csv", *POINTS, output="none/samples.h5")
    (folder / "samples.h5").write_text("older")
    assert "samples.h5 exists; pass --force" in refused("data.csv", *POINTS)
    assert "has no column 'x'" in refused("data.csv", "--columns", "q,x", "--velocities", "dq,dp", "--force")
    assert (folder / "samples.h5").read_text() == "older"
    assert main(["import", "data.csv", *POINTS, "--output", "samples.h5", "--force", "--quiet"]) == 0
    assert SampleFile("samples.h5").count == 4


def test_copies_are_found_among_equal_beginnings(refused, folder, monkeypatch):
    monkeypatch.setattr(text, "FIELDS", 4)  # a row a slice
    write_table(folder / "data.csv", NAMES, [[0, 0, 0, 0], [1, 2, 3, 1], [2, 2, 3, 2], [3, 4, 5, 3]])
    assert "q1 (q1) and p2 (p2) of data.csv are the same in every row" in refused(
        "data.csv", "--columns", ",".join(NAMES), "--time-step", "1"
    )
    assert checked_rows._copies(np.array([[1.0, 1, 1]]), None) == [[0, 1], [0, 2], [1, 2]]


def test_a_full_disk(folder, seed, full_disk, capsys):
    write_table(folder / "data.csv", ["q", "p"], numbers(seed, 100_000, 2))
    with full_disk() as limit_to:
        limit_to(10**6)
        assert main(["import", "data.csv", "--columns", "q,p", "--time-step", "1", "--output", "samples.h5"]) == 1
    assert "cannot write samples.h5: File too large; nothing was written" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["data.csv"]
