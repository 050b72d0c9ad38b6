"""Arrays of numpy as tables: every form, bit by bit, and what cannot be used."""

import zipfile

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.tables import arrays, open_table


@pytest.fixture
def numbers(seed):
    return np.random.default_rng(seed).normal(size=(12, 5, 4))


@pytest.fixture
def table_of(tmp_path):
    def table_of(array=None, **named):
        if array is not None:
            np.save(tmp_path / "data.npy", array)
            return open_table(tmp_path / "data.npy")
        np.savez(tmp_path / "data.npz", **named)
        return open_table(tmp_path / "data.npz")

    return table_of


def read(table, names, label=None):
    return np.concatenate(list(table.slices(table.find(names), *([] if label is None else table.find([label])))))


def test_one_array_a_column(table_of, numbers):
    q, p = numbers[0, :, 0], np.arange(5, dtype="i2")
    table = table_of(q=q, p=p, other=np.zeros((3, 3)))
    assert table.trajectory_shape is None
    np.testing.assert_array_equal(read(table, ["p", "q"]), np.column_stack([p, q]))
    assert table.place(3) == f"row 3 (from 0 on) of {table.location}"


def test_arrays_of_several_columns(table_of, numbers):
    q, p = numbers[0, :, :2], np.asfortranarray(numbers[1, :, :2])
    table = table_of(q=q, p=p)
    assert [column.name for column in table.find(["q"])] == ["column 1 of q", "column 2 of q"]
    np.testing.assert_array_equal(read(table, ["q", "p"]), np.hstack([q, p]))


@pytest.mark.parametrize("packed", [False, True])
def test_one_array_alone(table_of, numbers, packed):
    table = table_of(x=numbers[0]) if packed else table_of(numbers[0])
    np.testing.assert_array_equal(read(table, ["4", "1"]), numbers[0][:, [3, 0]])
    np.testing.assert_array_equal(read(table, ["x" if packed else "array"]), numbers[0])


def test_fields_of_a_structured_array(table_of):
    array = np.array([(1.5, 2, "a"), (2.5, 3, "b")], [("q", "f8"), ("p", "i4"), ("run", "U1")])
    np.testing.assert_array_equal(read(table_of(array), ["p", "q"], "run"), [[2, 1.5, 0], [3, 2.5, 1]])


def test_trajectories(table_of, numbers):
    t, energy = 0.1 * np.arange(5), numbers[:, :, 0] ** 2
    table = table_of(t=t, x=numbers, H=energy)
    assert table.trajectory_shape == (12, 5) and table.size == 60 and table.form == "numpy, t (5,), x (12, 5, 4), H (12, 5)"
    np.testing.assert_array_equal(read(table, ["x", "H"]), np.column_stack([numbers.reshape(60, 4), energy.ravel()]))
    np.testing.assert_array_equal(table.find_time("t")[0].key, np.tile(t, 12))
    assert table.place(7) == f"trajectory 1, state 2 (from 0 on) of {table.location}"
    np.testing.assert_array_equal(table_of(numbers).find_time("2")[0].key, numbers[:, :, 1].ravel())


def test_other_arrays_of_three_dimensions_do_not_matter(tmp_path, numbers):
    np.savez(tmp_path / "data.npz", q=numbers[0, :, 0], p=numbers[0, :, 1], pictures=numbers)
    table = open_table(tmp_path / "data.npz", ("q", "p"))
    assert table.trajectory_shape is None and table.size == 5
    np.testing.assert_array_equal(read(table, ["q", "p"]), numbers[0, :, :2])


def test_slices_of_any_size(table_of, numbers, monkeypatch):
    for table in (table_of(x=numbers), table_of(numbers)):
        for size in (1, 100, 10**6):
            monkeypatch.setattr(arrays, "SLICE_BYTES", size)
            sizes, columns = [], table.find(["1", "2", "3", "4"])
            np.testing.assert_array_equal(np.concatenate(list(table.slices(columns, on_read=sizes.append))), numbers.reshape(60, 4))
            assert sum(sizes) == table.size


@pytest.mark.parametrize(
    ("named", "names", "words"),
    [
        ({"angle": np.ones(3), "p": np.ones(3)}, ["Angel"], "has no array 'Angel'; did you mean 'angle'? Its arrays are: angle, p"),
        ({"x": np.ones((3, 4))}, ["5"], "has no column '5'; the columns of its one array are named 1 to 4"),
        ({"x": np.ones((3, 4)), "t": np.ones(3)}, ["1"], "has no array '1'. Its arrays are: x, t"),
        ({"x": np.ones((2, 3, 4)), "q": np.ones(3)}, ["q"], "q of {} has shape (3,); expected (2, 3) or (2, 3, C), as the trajectories"),
        ({"x": np.ones((2, 3, 4, 5))}, ["x"], "x of {} has shape (2, 3, 4, 5); expected (K,), (K, C) or (T, N, C)"),
        ({"x": np.float64(3)}, ["x"], "x of {} has shape (); expected (K,)"),
        ({"q": np.ones(3), "p": np.ones(4)}, ["q", "p"], "p of {} has 4 rows; expected 3, as q has"),
        ({"q": np.ones(0)}, ["q"], "q of {} has no rows"),
        ({"q": np.ones(3, complex)}, ["q"], "q of {} is of type complex128; expected integers or floating-point numbers"),
        ({"q": np.array(["1", "2"])}, ["q"], "q of {} is of type <U1"),
        ({"q": np.array([1, None])}, ["q"], "Object arrays cannot be loaded"),
        ({}, ["q"], "holds no arrays"),
    ],
)
def test_arrays_that_cannot_be_used(table_of, tmp_path, named, names, words):
    with pytest.raises(UserError) as caught:
        read(table_of(**named), names)
    assert words.format(tmp_path / "data.npz") in str(caught.value) and str(tmp_path / "data.npz") in str(caught.value)


def test_a_row_without_a_label(table_of):
    with pytest.raises(UserError, match=r"row 1 \(from 0 on\) of .*: run is nan; expected the name of a trajectory"):
        read(table_of(q=np.ones(2), run=np.array([1, np.nan])), ["q"], "run")


def test_files_that_are_not_numpys(tmp_path, numbers):
    np.savez(tmp_path / "whole.npz", x=numbers)
    whole = (tmp_path / "whole.npz").read_bytes()
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 255
    contents = {"text.npz": b"q,p\n1,2\n", "text.npy": b"q,p\n", "empty.npy": b"", "cut.npz": whole[:900], "broken.npz": bytes(broken)}
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=f"{name} is not a file that numpy.savez or numpy.save wrote, or damaged: "):
            open_table(tmp_path / name).find(["x"])
    with zipfile.ZipFile(tmp_path / "other.npz", "w") as archive:
        archive.writestr("workbook.xml", "<xml/>")
    with pytest.raises(UserError, match="other.npz is not a file that numpy.savez"):
        open_table(tmp_path / "other.npz")
