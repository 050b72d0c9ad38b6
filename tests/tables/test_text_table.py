"""Text tables: what is found out about them, that their numbers come out bit by bit, and where a mistake is."""

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.tables import open_table, text


@pytest.fixture
def table_of(tmp_path):
    def table_of(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return open_table(path)

    return table_of


def read(table, names, label=None):
    return np.concatenate(list(table.slices(table.find(names), *([] if label is None else table.find([label])))))


ROWS = [[0.1, -2.0, 3e-300], [1 / 3, 4.0, 5.0]]
FORMS = {
    "commas": ("t,q1,p1\n0.1,-2,3e-300\n0.3333333333333333,4,5\n", "columns separated by commas, header in line 1"),
    "blanks around": (" t , q1,  p1\n0.1, -2, 3e-300\n  0.3333333333333333, 4, 5\n", "commas, header in line 1"),
    "semicolons": ("t;q1;p1\n0.1;-2;3e-300\n0.3333333333333333;4;5\n", "semicolons, header in line 1"),
    "tabs": ("t\tq1\tp1\n0.1\t-2\t3e-300\n0.3333333333333333\t4\t5\n", "tabs, header in line 1"),
    "blanks": ("  t  q1 p1\n 0.1 -2   3e-300\n0.3333333333333333 4 5\n", "blanks, header in line 1"),
    "quotes": ('"t","q1","p1"\n"0.1","-2",3e-300\n0.3333333333333333,4,5\n', "commas, header in line 1"),
    "comments": ("# lab\n\nt,q1,p1\n# 1,2,3\n0.1,-2,3e-300\n \n0.3333333333333333,4,5\n#\n", "commas, header in line 3"),
    "header in a comment": ("# lab\n# t,q1,p1\n0.1,-2,3e-300\n0.3333333333333333,4,5\n", "commas, header in line 2"),
    "savetxt": ("# t, q1, p1\n0.1 -2 3e-300\n0.3333333333333333 4 5\n", "blanks, header in line 1"),
    "Windows": ("\ufefft,q1,p1\r\n0.1,-2,3e-300\r\n0.3333333333333333,4,5\r\n", "commas, header in line 1"),
    "no end of line": ("t,q1,p1\n0.1,-2,3e-300\n0.3333333333333333,4,5", "commas, header in line 1"),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(table_of, form):
    content, words = FORMS[form]
    table = table_of(content)
    assert words in table.form and table.trajectory_shape is None
    np.testing.assert_array_equal(read(table, ["t", "q1", "p1"]), ROWS)
    np.testing.assert_array_equal(read(table, ["p1", "t"]), np.array(ROWS)[:, [2, 0]])


@pytest.mark.parametrize("content", ["1,2\n3,4\n", "# measured in May\n1,2\n3,4\n", "# q 2\n1,2\n3,4\n"])
def test_columns_without_names_have_numbers(table_of, content):
    table = table_of(content)
    assert table.form == "text, columns separated by commas, no header"
    assert [column.name for column in table.find(["2", "1"])] == ["column 2", "column 1"]
    np.testing.assert_array_equal(read(table, ["2", "1"]), [[2, 1], [4, 3]])


def test_numbers_come_out_bit_by_bit_in_slices_of_any_size(table_of, seed, monkeypatch):
    numbers = np.random.default_rng(seed).normal(size=(100, 3)) * 10.0 ** np.arange(-150, 150, 3)[:, None]
    table = table_of("a,b,c\n" + "".join(",".join(map(repr, row)) + "\n" for row in numbers.tolist()))
    for fields in (1, 100, 10_000):
        monkeypatch.setattr(text, "FIELDS", fields)
        np.testing.assert_array_equal(read(table, ["a", "b", "c"]), numbers)


def test_labels_are_numbered_as_they_appear(table_of):
    table = table_of("run,q,note\nb,1,\n a,2,x\nb ,3,\n7,4,\n")
    np.testing.assert_array_equal(read(table, ["q"], "run"), [[1, 0], [2, 1], [3, 0], [4, 2]])


def test_what_is_read_adds_up_to_the_file(table_of, monkeypatch):
    monkeypatch.setattr(text, "FIELDS", 1000)
    table, sizes = table_of("q,p\n" + "1,2\n" * 20_000), []
    assert sum(len(piece) for piece in table.slices(table.find(["q"]), on_read=sizes.append)) == 20_000
    assert sum(sizes) == table.size and len(sizes) == 40 and max(sizes) < table.size / 4


def test_rows_have_places(table_of):
    table = table_of("#\nq,p\n1,2\n\n# x\n3,4\n")
    assert [table.place(row) for row in (0, 1)] == [f"line {number} of {table.location}" for number in (3, 6)]


BAD = {
    "empty": ("", "is empty; expected a header"),
    "only comments": ("# q,p\n\n", "is empty; expected a header"),
    "only a header": ("q,p\n", "has a header but no rows"),
    "word": ("q,p\n1,2\n# x\n3,abc\n", "line 4 of {}: p is 'abc', not a number: repair or remove the line"),
    "nothing": ("q,p\n1,2\n3,\n", "line 3 of {}: p is empty; expected a number"),
    "decimal comma": ("q;p\n1,5;2\n", "line 2 of {}: q is '1,5', not a number: write decimals with a point"),
    "Fortran": ("q p\n1.5D-3 2\n", "line 2 of {}: q is '1.5D-3', not a number: write exponents with e"),
    "few fields": ("q,p,x\n1,2,3\n1,2\n", "line 3 of {} has 2 fields; expected 3, as in the first line"),
    "many fields": ("q p\n1 2\n1 2 3\n", "line 3 of {} has 3 fields; expected 2"),
    "one field": ("q,p\n1,2\n1\n", "line 3 of {} has 1 field; expected 2"),
    "bytes in the header": (b"q\xff,p\n1,2\n", "line 1 of {} is not text in UTF-8"),
    "bytes later": (b"q,p\n" + b"1,2\n" * 5000 + b"1,\xe9\n", "line 5002 of {} is not text in UTF-8"),
    "UTF-16": ("q,p\n1,2\n".encode("utf-16"), "line 1 of {} is not text in UTF-8"),
    "open quote": ("q,p\n1,2\n\"1,2\n" + "1,2\n" * 50_000, "cannot be split into columns: field larger than field limit"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_tables(table_of, tmp_path, case):
    content, words = BAD[case]
    with pytest.raises(UserError) as caught:
        read(table_of(content), ["q", "p"])
    message = str(caught.value)
    assert words.format(tmp_path / "data.csv") in message and str(tmp_path / "data.csv") in message and "\n" not in message


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        ("angle,Momentum\n1,2\n", "momentum", "has no column 'momentum'; did you mean 'Momentum'? Its columns are: angle, Momentum"),
        ("angle,p\n1,2\n", "xyz", "has no column 'xyz'. Its columns are: angle, p"),
        ("q,q\n1,2\n", "q", "has 2 columns named 'q'; rename all but one"),
        ("1,2\n3,4\n", "q", "has no column 'q': it has no header, so that its columns are named 1 to 2"),
        ("1,2\n3,4\n", "3", "has no column '3'"),
        ("1,2\n3,4\n", "0", "has no column '0'"),
        (",".join(f"c{i}" for i in range(99)) + "\n", "q", "c11, ..."),
    ],
)
def test_columns_that_are_not_there(table_of, content, name, words):
    with pytest.raises(UserError) as caught:
        table_of(content).find([name])
    assert words in str(caught.value)


def test_a_row_without_a_label(table_of):
    with pytest.raises(UserError, match=r"line 3 of .*: run is empty; expected the name of a trajectory"):
        read(table_of("run,q\n1,2\n ,3\n"), ["q"], "run")


def test_no_file(tmp_path):
    for path, words in {tmp_path: "is a directory", tmp_path / "none.csv": "does not exist", "/dev/null": "is not a regular file"}.items():
        with pytest.raises(UserError, match=f"{path} {words}; expected a table of numbers"):
            open_table(path)
    with pytest.raises(UserError, match="cannot read .*null byte"):
        open_table("a\0b")
