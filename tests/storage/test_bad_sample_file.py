"""Sample files that cannot be used are refused with the file and the reason."""

import os

import h5py
import numpy as np
import pytest
from sample_files import ATTRIBUTES, SHAPES, write

from hnn_hpc.errors import UserError
from hnn_hpc.storage import SampleFile
from hnn_hpc.storage.schema import ORDERING


def foreign(**datasets):
    """A function that fills a file with good points and velocities, replaced or (None) left out as said."""

    def fill(file, samples):
        for name, values in ({"points": samples.points, "velocities": samples.velocities} | datasets).items():
            if isinstance(values, dict):
                file.create_group(name)
            elif values is not None:
                file[name] = values

    return fill


def ours(**attributes):
    def fill(file, samples):
        foreign()(file, samples)
        file.attrs.update({"format_version": 1, "kind": "samples", "dof": 2, "ordering": ORDERING} | attributes)

    return fill


TWELVE = np.zeros((12, 5, 4))
BAD_FILES = {
    "no points": (foreign(points=None), "no dataset /points; expected /points of shape (K, D), but the file holds /velocities"),
    "no velocities": (foreign(velocities=None), "no dataset /velocities"),
    "nothing": (foreign(points=None, velocities=None), "the file holds nothing"),
    "group": (foreign(points={}), "/points is a group, not a dataset"),
    "dangling link": (foreign(points=h5py.SoftLink("/gone")), "truncated or damaged"),
    "link to a missing file": (foreign(points=h5py.ExternalLink("gone.h5", "/points")), "truncated or damaged"),
    "one dimension": (foreign(points=np.zeros(60)), "/points has shape (60,); expected /points of shape (K, D)"),
    "three dimensions": (foreign(velocities=TWELVE), "/velocities has shape (12, 5, 4); expected /velocities of shape (K, D)"),
    "scalar": (foreign(points=1.0), "/points has shape ()"),
    "null": (foreign(points=h5py.Empty("f8")), "/points has shape None"),
    "complex": (foreign(points=np.zeros((60, 4), complex)), "/points is of type complex128"),
    "booleans": (foreign(points=np.zeros((60, 4), bool)), "/points is of type bool"),
    "text": (foreign(points=np.full((60, 4), b"1.0")), "/points is of type |S3"),
    "compound": (foreign(points=np.zeros((60, 4), [("q", "f8")])), "/points is of type [('q', '<f8')]"),
    "odd dimension": (foreign(points=np.zeros((60, 3))), "/points has 3 columns; expected an even number"),
    "no columns": (foreign(points=np.zeros((60, 0))), "/points has 0 columns"),
    "lengths": (foreign(velocities=np.zeros((59, 4))), "/velocities has shape (59, 4); expected (60, 4), that of /points"),
    "widths": (foreign(velocities=np.zeros((60, 2))), "/velocities has shape (60, 2); expected (60, 4)"),
    "energies": (foreign(energies=np.zeros((61,))), "/energies has shape (61,); expected (60,), one energy a point"),
    "columns of energies": (foreign(energies=np.zeros((60, 1))), "/energies has shape (60, 1); expected /energies of shape (K)"),
    "no samples": (foreign(points=np.zeros((0, 4)), velocities=np.zeros((0, 4))), "no sample at all; expected at least one"),
    "points and trajectories": (foreign(trajectories=TWELVE), "both /points and /trajectories"),
    "trajectories alone": (
        foreign(points=None, velocities=None, trajectories=TWELVE),
        "has no dataset /velocities",
    ),
    "trajectories and flat velocities": (foreign(points=None, trajectories=TWELVE), "expected /velocities of shape (T, N, D)"),
    "no steps": (foreign(points=None, trajectories=np.zeros((12, 0, 4)), velocities=np.zeros((12, 0, 4))), "no sample at all"),
    "time step": (foreign(points=None, trajectories=TWELVE, velocities=TWELVE, time_step=-1.0), "/time_step is -1.0"),
    "endless time step": (foreign(points=None, trajectories=TWELVE, velocities=TWELVE, time_step=np.nan), "/time_step is nan"),
    "ordering": (ours(ordering="q1,p1..qn,pn"), "the attribute ordering is 'q1,p1..qn,pn'; expected 'q1..qn,p1..pn'"),
    "dof": (ours(dof=4), "the attribute dof is 4; expected 2"),
    "dof as text": (ours(dof="2"), "the attribute dof is '2'"),
    "newer version": (ours(format_version=7), "format version 7, and this program reads versions up to 1"),
    "version zero": (ours(format_version=0), "format version 0; expected"),
    "version in words": (ours(format_version="one"), "format version 'one'"),
    "model": (ours(kind="model"), "holds a model (`hnn-hpc fit` writes it); expected an HDF5 file with samples (`hnn-hpc generate`"),
    "checkpoint": (ours(kind="checkpoint"), "holds a part of a checkpoint (`hnn-hpc fit` writes it while it runs); expected"),
    "other kind": (ours(kind="picture"), "holds 'picture'"),
    "no kind": (ours(kind=[1, 2]), "holds [1, 2]"),
    "reference point alone": (ours(reference_point=np.zeros(4)), "reference_point (4 finite numbers) and reference_energy"),
    "reference energy alone": (ours(reference_energy=1.0), "got None and 1.0"),
    "width of reference": (ours(reference_point=np.zeros(2), reference_energy=1.0), "got [0.0, 0.0] and 1.0"),
    "reference energies": (ours(reference_point=np.zeros(4), reference_energy=[1.0]), "and [1.0]"),
    "reference in words": (ours(reference_point="origin", reference_energy=1.0), "got 'origin'"),
    "infinite reference": (ours(reference_point=np.zeros(4), reference_energy=np.inf), "and inf"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files(tmp_path, samples, case):
    fill, words = BAD_FILES[case]
    path = tmp_path / "bad.h5"
    with h5py.File(path, "w") as file:
        fill(file, samples)
    with pytest.raises(UserError) as caught:
        SampleFile(path)
    message = str(caught.value)
    assert words in message and str(path) in message and "\n" not in message


def test_no_file_no_hdf5(tmp_path):
    (tmp_path / "text.h5").write_text("points")
    (tmp_path / "empty.h5").touch()
    cases = {"none.h5": "does not exist", "": "is a directory", "text.h5": r"is not an HDF5 file \(6 bytes\)", "empty.h5": r"\(0 bytes\)"}
    cases |= {"text.h5/below.h5": "Not a directory", "a\0b": "null byte"}
    for name, words in cases.items():
        with pytest.raises(UserError, match=f"{words}.*; expected an HDF5 file with samples") as caught:
            SampleFile(tmp_path / name)
        assert repr(str(tmp_path / name))[1:-1] in str(caught.value)
    with pytest.raises(UserError, match="/dev/null is not a regular file"):
        SampleFile("/dev/null")


def test_a_file_that_may_not_be_read(tmp_path, samples):
    path = write(tmp_path / "samples.h5", samples)
    path.chmod(0)
    user = os.geteuid()
    try:
        if user == 0:  # root may read everything, so be somebody else
            os.seteuid(65534)
        with pytest.raises(UserError, match=r"cannot read '.*samples\.h5': Permission denied; expected .*, readable"):
            SampleFile(path)
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("shape", SHAPES[:2])
def test_truncated_at_any_length(tmp_path, samples, shape):
    whole = write(tmp_path / "samples.h5", samples, shape, attributes=ATTRIBUTES).read_bytes()
    for length in [*range(1, 120), *range(120, len(whole), 211), len(whole) - 1]:
        path = tmp_path / f"cut_at_{length}.h5"  # HDF5 takes a file it has open for the same one
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=f"{path} is (truncated or damaged; copy or write it again|not an HDF5 file)"):
            SampleFile(path)


def test_a_lost_structure_is_noticed(tmp_path, samples):
    """A copy of the right length whose tail never arrived, as parallel copies leave behind; data that are lost cannot be noticed."""
    whole = write(tmp_path / "samples.h5", samples, attributes=ATTRIBUTES).read_bytes()
    refused = 0
    for length in range(8, len(whole), 211):
        path = tmp_path / f"arrived_up_to_{length}.h5"
        path.write_bytes(whole[:length] + bytes(len(whole) - length))
        try:
            SampleFile(path).read(0, 60)
        except UserError as error:
            assert f"{path} is truncated or damaged" in str(error)
            refused += 1
    assert refused > 0


def test_damage_found_while_reading(tmp_path, samples):
    path = tmp_path / "packed.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("points", data=samples.points, chunks=(60, 4), compression="gzip", fletcher32=True)
        file["velocities"] = samples.velocities
        start = file["points"].id.get_chunk_info(0).byte_offset
    with open(path, "r+b") as stream:
        stream.seek(start + 100)
        stream.write(bytes(100))
    source = SampleFile(path)
    with pytest.raises(UserError, match=r"packed\.h5 is truncated or damaged"):
        source.read(0, 60)


# Many readers
