"""`hnn-hpc simulate` of a graph by a learned model, from end to end: tables, JSON, files, errors."""

import re
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from graph_jobs import LIQUID_MODEL, MODEL

from hnn_hpc.graph_model import load_graph_model
from hnn_hpc.graphs import with_bonds
from hnn_hpc.particles import verlet
from hnn_hpc.storage import GraphFile


def simulate(*more, model=MODEL, start="start.h5", time=1):
    return ["simulate", model, "--start", start, "--time", time, *more]


def test_simulate_follows_a_graph_and_keeps_records(run, files):
    run("fit", "job.toml")
    told = run(*simulate("--time-step", 0.02, "--save-every", 10, "--output", "end.h5"))
    start, model = GraphFile("start.h5").read(0, 1).graphs, load_graph_model(MODEL)
    *_, end = verlet(model, start, 0.02, 50)
    found = GraphFile("end.h5", needs_derivatives=False)
    graphs = found.read(0, 1).graphs
    for name in ("positions", "momenta"):
        np.testing.assert_allclose(getattr(graphs, name), getattr(end, name), rtol=0, atol=1e-12)
    for name in ("masses", "species", "bonds"):
        np.testing.assert_array_equal(getattr(graphs, name), getattr(start, name))
    sizes = {"file": "end.h5", "method": "stormer-verlet", "particles": 16, "bonds": 24, "dimension": 2, "ranks": 1, "steps": 50}
    assert (sizes | {"time_step": 0.02, "save_every": 10, "lists": 0}).items() <= told.items()
    assert (
        not found.has_derivatives and found.description["model"] == MODEL and found.description["start"] == str(Path("start.h5").absolute())
    )
    with h5py.File("end.h5") as file:
        records = {name: file["rollout"][name][()] for name in ("times", "energies", "momenta", "angular_momenta")}
    np.testing.assert_allclose(records["times"], 0.2 * np.arange(6), atol=1e-15)
    assert records["energies"][[0, -1]] == pytest.approx([model.energy(graph)[0] for graph in (start, end)], rel=1e-12)
    np.testing.assert_allclose(records["momenta"][[0, -1]], [graph.momenta.sum(axis=0) for graph in (start, end)], atol=1e-12)
    at_rest = replace(start, momenta=0 * start.momenta)
    kinetic = model.energy(start)[0] - model.energy(at_rest)[0]
    assert told["energy_drift"] == pytest.approx(np.abs(records["energies"] - records["energies"][0]).max() / kinetic, rel=1e-6)
    assert 0 < told["energy_drift"] < 1e-3 and told["momentum_drift"] < 1e-14


def test_simulate_goes_on_from_the_end_of_another(run, files):
    """Two halves are the whole: of springs, and of a fluid, whose bonds are found anew."""
    run("fit", "job.toml")
    run("fit", "fluid.toml")
    for model, start in ((MODEL, "start.h5"), (LIQUID_MODEL, "liquid.h5")):
        how = {"model": model, "start": start}
        run(*simulate("--output", "whole.h5", "--time-step", 0.005, "--force", time=1, **how))
        run(*simulate("--output", "half.h5", "--time-step", 0.005, "--force", time=0.5, **how))
        run(*simulate("--output", "rest.h5", "--time-step", 0.005, "--force", time=0.5, model=model, start="half.h5"))
        whole, rest = (GraphFile(name, needs_derivatives=False) for name in ("whole.h5", "rest.h5"))
        assert whole.cutoff == rest.cutoff == GraphFile(start).cutoff
        for name in ("positions", "momenta", "boxes"):
            ours, theirs = (getattr(source.read(0, 1).graphs, name) for source in (whole, rest))
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-10, err_msg=name)


def test_simulate_counts_the_bonds_of_the_end(run, table, files):
    run("fit", "fluid.toml", "--set", "graph.temperature=0.3")
    how = ["--time-step", 0.005, "--output", "end.h5"]
    told = run(*simulate(*how, model=LIQUID_MODEL, start="liquid.h5", time=3))
    end, model = GraphFile("end.h5", needs_derivatives=False).read(0, 1).graphs, load_graph_model(LIQUID_MODEL)
    start = GraphFile("liquid.h5").read(0, 1).graphs
    np.testing.assert_array_equal(end.bonds, with_bonds(end, 1.6).bonds)
    assert told["bonds"] == len(end.bonds) and len(set(map(tuple, end.bonds.tolist())) - set(map(tuple, start.bonds.tolist()))) > 10
    assert told["outside"] == model.outside(end)[0].mean() > 0 and told["lists"] > 1
    rows = table(*simulate(*how, "--force", model=LIQUID_MODEL, start="liquid.h5", time=3))
    assert rows["lists"] == f"bonds found {told['lists']} times"
    assert told["particles_outside"] == model.outside(end)[1].mean()
    shares = f"{told['outside']:.2g} of the bonds and {told['particles_outside']:.2g} of the particles"
    assert rows["outside"] == f"{shares} lie outside the training data at the end"


def test_simulate_tells_a_person_of_the_motion(run, table, files):
    run("fit", "job.toml")
    rows = table(*simulate())
    assert rows.pop("outside", "").endswith(" lie outside the training data at the end")
    assert re.fullmatch(r"\d\.\d\de-\d\d of the kinetic energy at most", rows.pop("energy drift"))
    assert re.fullmatch(r"kept to \d\.\d\de-1\d of the sum of its sizes", rows.pop("momentum"))
    assert rows == {
        "written": "trajectory.h5, the state at the end and the records of the motion",
        "graph": "16 particles and 24 bonds in 2 dimensions",
        "motion": "100 steps of 0.01 by stormer-verlet",
        "on": "1 rank",
    }


NO_STATE = ("--set", "momentum=0", "--set", "displacement=0")


def test_simulate_tells_that_nothing_moves(run, table):
    run("fit", "job.toml")
    run("generate", "springs-morse", "--graphs", 1, "--set", "sizes=[3]", "--set", "momentum=0", "--output", "rest.h5")
    assert "of the kinetic energy at most" in table(*simulate("--time-step", 0.1, start="rest.h5"))["energy drift"]  # it falls
    run("generate", "springs-morse", "--graphs", 1, "--set", "sizes=[3]", *NO_STATE, "--output", "rest.h5", "--force")
    rows = table(*simulate("--time-step", 0.1, "--force", start="rest.h5"))
    assert rows["energy drift"] == "unknown, nothing moves" and "momentum" not in rows


def test_simulate_refuses_what_it_cannot_follow(run, refused, files):
    run("fit", "job.toml")
    given = str(Path("start.h5").absolute())
    assert refused(*simulate("--start", "test.h5")) == "a model of graphs follows one graph, that of the file --start; got 2 of them"
    words = f"{Path('test.h5').absolute()} holds 5 graphs; expected one, which the motion starts with"
    assert refused(*simulate(start="test.h5")) == words
    words = "graphs are followed by stormer-verlet alone; got --method implicit-midpoint: leave it out"
    assert refused(*simulate("--method", "implicit-midpoint")) == words
    assert "1,2 does not exist; expected an HDF5 file with graphs of particles" in refused(*simulate(start="1,2"))
    assert "holds a model of graphs" in refused(*simulate(start=MODEL))
    assert "--time-step 2 and --time 1: expected a positive step" in refused(*simulate("--time-step", 2))
    assert "--save-every = 0: expected a whole number" in refused(*simulate("--save-every", 0))
    words = f"the bonds of the model are given with a graph, but those of {Path('liquid.h5').absolute()} are all pairs below a cutoff"
    assert refused(*simulate(start="liquid.h5")) == words
    for read in ("start.h5", MODEL):
        words = f"--output {read} would replace {read}, which is read; give the output another name"
        assert refused(*simulate("--output", read, "--force")) == words
    assert "train.h5 exists; pass --force" in refused(*simulate("--output", "train.h5"))
    with h5py.File("start.h5", "a") as file:
        file["momenta"][3, 1] = np.inf
    assert given in refused(*simulate())


def test_a_model_of_phase_space_follows_no_file(run, refused, files, folder):
    (folder / "pendulum.toml").write_text('[data]\nsystem = "pendulum"\nsamples = 50\n[features]\ncount = 20\n')
    run("fit", "pendulum.toml")
    model = "results/pendulum/model.h5"
    words = "--start start.h5: expected 2 numbers with commas between, q1..qn, p1..pn"
    assert refused(*simulate(model=model)) == words
    assert run(*simulate("--method", "stormer-verlet", model=model, start="0.2,0"))["method"] == "stormer-verlet"
    assert "start.h5 holds graphs of particles" in refused("evaluate", model, "start.h5")
