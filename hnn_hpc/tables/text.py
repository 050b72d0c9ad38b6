"""Columns of numbers in a text file: CSV with commas, semicolons or tabs, or columns with blanks between.

Lines that begin with # are comments. The first other line is a header if any of its fields is no number. Where it has none, the comment
just before the first row is one if it has as many fields, none of them a number, as numpy.savetxt writes it.
"""

import csv
import os
from itertools import islice

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.quantities import count
from hnn_hpc.tables.columns import Column, Labels, look_up_column

DELIMITERS = {"\t": "tabs", ";": "semicolons", ",": "commas", None: "blanks"}  # the first of these in a line is its own
FIELDS = 2**16  # of a slice
COMMENT = "#"


class TextTable:
    """A table in a text file of UTF-8 (see the module). Opening reads up to the first row; `size` is the file's, in bytes."""

    trajectory_shape = None

    def __init__(self, path):
        self.location, self.size = path, os.path.getsize(path)
        self._names = self._header_line = None
        first, line, comment = self._beginning()
        self._delimiter, fields = _delimiter(line), self._fields(line)
        self._width = len(fields)
        if not all(map(_is_number, fields)):
            self._names, self._header_line = fields, first
        elif comment:
            self._take_names_of_comment(*comment)
        header = "no header" if self._names is None else f"header in line {self._header_line}"
        self.form = f"text, columns separated by {DELIMITERS[self._delimiter]}, {header}"

    def find(self, names):
        """Return the list of a `Column` for each name, or number from 1 on in a file without a header."""
        if self._names is not None:
            return [Column(name, look_up_column(name, self._names, self.location)) for name in names]
        for name in names:
            if not (name.isdecimal() and 1 <= int(name) <= self._width):
                raise UserError(
                    f"{self.location} has no column {name!r}: it has no header, so that its columns are named 1 to {self._width}"
                )
        return [Column(f"column {int(name)}", int(name) - 1) for name in names]

    def find_time(self, name):
        """Return the list of the `Column` of this name."""
        return self.find([name])

    def slices(self, columns, label=None, on_read=lambda size: None):
        """Yield arrays (B, C) of the columns; with `label`, a `Column` of any text, the number of its text is one more column.

        `on_read` is told the bytes read since it was last called. UserError names the line of a field that is not a number.
        """
        labels = Labels()
        for first, rows, size in self._row_slices():
            values = self._numbers(first, rows, columns)
            if label is not None:
                texts = [row[label.key].strip() for row in rows]
                if "" in texts:
                    raise UserError(f"{self.place(first + texts.index(''))}: {label.name} is empty; expected the name of a trajectory")
                values = np.column_stack([values, labels.numbers(texts)])
            yield values
            on_read(size)

    def place(self, row):
        """Return the line of a row, counted from 0, and the name of the file."""
        with self._opened() as stream:
            number, _ = next(islice(self._rows(stream), row, None))
        return f"line {number} of {self.location}"

    def _beginning(self):
        """Return (number, text) of the first line that is no comment, and (number, text) of the comment before it, or None."""
        comment = None
        with self._opened() as stream:
            for number, line in self._lines(stream):
                if not _is_comment(line):
                    return number, line, comment
                comment = number, line
        raise UserError(f"{self.location} is empty; expected a header with the names of the columns, and rows of numbers")

    def _take_names_of_comment(self, number, line):
        names = self._fields(line.strip().lstrip(COMMENT))
        if len(names) == self._width and not any(map(_is_number, names)):
            self._names, self._header_line = names, number

    def _row_slices(self):
        """Yield (number of the first row, list of rows as lists of fields, bytes read since the last slice)."""
        first = done = 0
        with self._opened() as stream:
            rows = self._split((line for _, line in self._rows(stream)), self._delimiter)
            while piece := list(islice(rows, max(1, FIELDS // self._width))):
                for row, fields in enumerate(piece, first):
                    if len(fields) != self._width:
                        raise UserError(
                            f"{self.place(row)} has {count(len(fields), 'field')}; expected {self._width}, as in the first line: "
                            "repair or remove it"
                        )
                position = stream.buffer.tell()
                yield first, piece, position - done
                first, done = first + len(piece), position
        if not first:
            raise UserError(f"{self.location} has a header but no rows; expected rows of numbers below it")

    def _numbers(self, first, rows, columns):
        keys = [column.key for column in columns]
        try:
            return np.array([[float(row[key]) for key in keys] for row in rows])
        except ValueError:
            row, column = next((i, c) for i, row in enumerate(rows) for c in columns if not _is_number(row[c.key]))
            raise UserError(f"{self.place(first + row)}: {column.name} is {_complaint(rows[row][column.key].strip())}") from None

    def _rows(self, stream):
        """Yield (number, text) for the lines of rows."""
        return ((number, line) for number, line in self._lines(stream) if not _is_comment(line) and number != self._header_line)

    def _lines(self, stream):
        """Yield (number from 1 on, text) for the lines that are not blank."""
        try:
            for number, line in enumerate(stream, 1):
                if not line.isspace():
                    yield number, line.rstrip("\n")
        except UnicodeDecodeError:
            raise UserError(
                f"line {self._undecodable_line()} of {self.location} is not text in UTF-8; expected a table of numbers: save it as UTF-8"
            ) from None

    def _undecodable_line(self):
        with open(self.location, "rb") as stream:
            for number, line in enumerate(stream, 1):
                try:
                    line.decode()
                except UnicodeDecodeError:
                    return number
        return number

    def _fields(self, line):
        return [field.strip() for field in next(self._split([line], _delimiter(line)), [])]

    def _split(self, lines, delimiter):
        """Yield the list of fields of each line."""
        if delimiter is None:
            yield from (line.split() for line in lines)
            return
        try:
            yield from csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        except csv.Error as error:
            raise UserError(f"{self.location} cannot be split into columns: {error}; is a quotation mark left open?") from None

    def _opened(self):
        return open(self.location, encoding="utf-8-sig")


def _delimiter(line):
    return next(delimiter for delimiter in DELIMITERS if delimiter is None or delimiter in line)


def _is_comment(line):
    return line.lstrip().startswith(COMMENT)


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _complaint(text):
    """Return what is wrong with a field that is not a number, and how to write it where one can tell."""
    if not text:
        return "empty; expected a number: fill it in, or remove the line"
    if _is_number(text.replace(",", ".")):
        return f"{text!r}, not a number: write decimals with a point"
    if _is_number(text.upper().replace("D", "E")):
        return f"{text!r}, not a number: write exponents with e"
    return f"{text!r}, not a number: repair or remove the line"
