"""The library call: arrays and files are the same to it, of whatever types the numbers are; what is none of that is one clear sentence."""

import inspect
import math
from dataclasses import fields, replace

import numpy as np
import pytest
from graph_fits import METAL, fitted, springs

from hnn_hpc import FitOptions, Graphs, GraphSamples, UserError, fit_graphs
from hnn_hpc.graph_options import GraphOptions
from hnn_hpc.graph_samples import GeneratedGraphs
from hnn_hpc.graphs import lattice
from hnn_hpc.storage import Checkpoint, save_graph_file

SOURCE = springs(sizes=(3, 3), count=30, periodic=True)
SAMPLES = SOURCE.read(0, 30)


def with_arrays(**arrays):
    """The samples with other arrays, or with arrays to which a function was applied."""
    changed = {}
    for name, change in arrays.items():
        array = getattr(SAMPLES.graphs if hasattr(SAMPLES.graphs, name) else SAMPLES, name)
        changed[name] = change(array) if callable(change) else change
    of_graphs = {name: changed.pop(name) for name in list(changed) if hasattr(SAMPLES.graphs, name)}
    return SAMPLES._replace(graphs=replace(SAMPLES.graphs, **of_graphs), **changed)


def test_arrays_and_a_file_of_them_have_the_fit_of_their_source(tmp_path):
    expected = fitted(SOURCE).model
    save_graph_file(tmp_path / "graphs.h5", SAMPLES)
    for samples in (SAMPLES, tmp_path / "graphs.h5", str(tmp_path / "graphs.h5")):
        model = fit_graphs(samples).model
        np.testing.assert_array_equal(model.coefficients, expected.coefficients)
        assert model.constants == expected.constants


def test_a_cutoff_finds_the_bonds():
    source = GeneratedGraphs(METAL, lattice([4, 4]), 20, 1)
    samples = source.read(0, 20)
    bare = samples._replace(graphs=replace(samples.graphs, bonds=samples.graphs.bonds[:0]))
    np.testing.assert_array_equal(fit_graphs(bare, cutoff=2.0).model.coefficients, fitted(source).model.coefficients)
    with pytest.raises(UserError, match="the arrays has no bond"):
        fit_graphs(bare)


def test_the_signature_shows_the_options_and_their_defaults():
    shown = {name: parameter.default for name, parameter in inspect.signature(fit_graphs).parameters.items()}
    for field in fields(GraphOptions):
        assert shown[field.name] == field.default
    for field in fields(FitOptions):
        if field.name in shown and field.name != "features":
            assert shown[field.name] == field.default


def test_numbers_of_other_types_are_numbers():
    expected = fit_graphs(SAMPLES).model
    whole = with_arrays(
        masses=lambda masses: masses.astype(np.float32),
        species=lambda species: species.astype(np.uint8),
        bonds=lambda bonds: bonds.astype(np.uint64),
        offsets=lambda offsets: offsets.astype(np.int32),
        shifts=lambda shifts: shifts.astype(np.int16),
        boxes=lambda boxes: boxes.astype(np.int64),
        positions=np.asfortranarray,
        forces=np.asfortranarray,
    )
    np.testing.assert_array_equal(fit_graphs(whole).model.coefficients, expected.coefficients)
    assert fit_graphs(with_arrays(positions=lambda q: np.rint(10 * q).astype(int), shifts=lambda s: 10 * s, boxes=lambda b: 10 * b)).model


@pytest.mark.parametrize(
    "samples, words",
    [
        ({}, "samples must be GraphSamples, or the path of a file of graphs; got dict"),
        (SAMPLES.graphs, "samples must be GraphSamples, or the path of a file of graphs; got Graphs"),
        (SAMPLES._replace(graphs=3), "samples.graphs must be Graphs; got int"),
        (with_arrays(forces=list), "the arrays: forces must be an array of real numbers; got list"),
        (with_arrays(velocities=lambda v: v + 0j), "the arrays: velocities must be an array of real numbers; got complex128"),
        (with_arrays(forces=lambda f: f.astype(str)), "the arrays: forces must be an array of real numbers; got <U32"),
        (with_arrays(forces=None), "the arrays: forces must be an array of real numbers; got NoneType"),
        (with_arrays(energies=lambda e: e.tolist()), "the arrays: energies must be an array of real numbers; got list"),
        (with_arrays(energies=lambda e: np.append(e, 0)), r"the arrays: energies have shape \(31,\); expected one number a graph, \(30,\)"),
        (with_arrays(positions=lambda q: q.tolist()), r"the arrays: positions must be an array of real numbers of shape \(P, d\)"),
        (with_arrays(bonds=lambda b: b.astype(float)), r"the arrays: bonds must be an array of whole numbers of shape \(E, 2\)"),
        (with_arrays(masses=lambda m: 0 * m), "the arrays: masses of particle 0 of graph 0 are 0.0; expected a positive number"),
        ("nowhere.h5", "nowhere.h5 does not exist; expected an HDF5 file with graphs of particles"),
    ],
)
def test_what_are_no_samples(samples, words):
    with pytest.raises(UserError, match=words):
        fit_graphs(samples)


def test_a_file_has_a_cutoff_of_its_own():
    with pytest.raises(UserError, match="a file of graphs tells its own cutoff, in an attribute; leave cutoff = 1.5 out"):
        fit_graphs("graphs.h5", cutoff=1.5)


@pytest.mark.parametrize(
    "cutoff, words",
    [
        ("far", "cutoff = 'far': expected a positive number"),
        (-1, "cutoff = -1: expected"),
        (math.inf, "cutoff = inf: expected"),
        (2, "cutoff = 2 is above half"),
    ],
)
def test_bad_cutoffs(cutoff, words):
    with pytest.raises(UserError, match=words):
        fit_graphs(SAMPLES, cutoff=cutoff)


def test_samples_are_left_as_they_are():
    before = [array.copy() for array in (SAMPLES.graphs.positions, SAMPLES.forces, SAMPLES.energies)]
    assert isinstance(SAMPLES, GraphSamples) and isinstance(SAMPLES.graphs, Graphs)
    fit_graphs(SAMPLES, messages=2)
    for array, expected in zip((SAMPLES.graphs.positions, SAMPLES.forces, SAMPLES.energies), before, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_the_checkpoint_of_a_fit_that_is_done_is_removed(tmp_path):
    checkpoint = Checkpoint(tmp_path / "checkpoint", seconds=1e-9)
    model = fit_graphs(SAMPLES, checkpoint=checkpoint).model
    np.testing.assert_array_equal(model.coefficients, fit_graphs(SAMPLES).model.coefficients)
    assert not (tmp_path / "checkpoint").exists()
