"""One file of a checkpoint: one array of a problem, and a digest that tells when a single byte has changed.

An HDF5 file with /array (float64; transposed where the attribute `transposed` says so, as for column-major triangles), the attributes
part (its name in the checkpoint), count and problem (a dictionary: what the array belongs to), and after the end of HDF5's own data, which
other programs ignore, the SHA-256 of all that comes before.
"""

import hashlib
import io
import os

import h5py
import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.storage.atomic import written_beside
from hnn_hpc.storage.attributes import read_attribute
from hnn_hpc.storage.schema import create_file, damage_reported, open_file

DIGEST_BYTES = hashlib.sha256().digest_size
CHUNK = 2**20


def write_checkpoint_file(path, part, array, count, problem):
    """Write an array (float64, column-major or C-contiguous) beside `path` and rename it, in place of an older file of that name.

    Parameters: path, part (text), count (int), problem (dict of plain values, of phase space with the entry "coordinates": D). The array is
    not copied.
    Errors: those of `written_beside`.
    """
    transposed = not array.flags.c_contiguous
    rows = array.T if transposed else array
    recorder = _Recorder()
    attributes = {"part": part, "count": count, "problem": problem, "transposed": transposed}
    with create_file(recorder, "checkpoint", problem.get("coordinates"), attributes) as file:
        early = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        early.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        early.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple(rows.shape)
        offset = h5py.h5d.create(file.id, b"array", h5py.h5t.IEEE_F64LE, space, early).get_offset()
    with written_beside(path, force=True, size=rows.nbytes) as temporary:
        with open(temporary, "wb") as stream:
            recorder.play(stream)
            stream.seek(offset)
            stream.write(rows.astype("<f8", copy=False))
        digest = _digest(temporary, os.path.getsize(temporary))
        with open(temporary, "ab") as stream:
            stream.write(digest)


def check_checkpoint_file(path):
    """Return the attributes part, count and problem of a file, a dictionary, after a look at every byte of it.

    Raises `UserError` where the file cannot be read, is damaged or incomplete, or is no part of a checkpoint.
    """
    if not os.path.isfile(path):  # opening a pipe may wait for ever
        raise UserError(f"{path} is no regular file, and no part of a checkpoint")
    try:
        size = os.path.getsize(path) - DIGEST_BYTES
        with open(path, "rb") as stream:
            stream.seek(max(size, 0))
            expected = stream.read()
        if size < 0 or _digest(path, size) != expected:
            raise UserError(f"{path} is truncated or damaged, or no part of a checkpoint: it does not end in a digest of the rest")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return header_of_checkpoint_file(path)


def header_of_checkpoint_file(path):
    """Return what `check_checkpoint_file` does, without a look at the array; `UserError` where it cannot be read."""
    with damage_reported(path), open_file(path, "checkpoint") as file:
        return {name: read_attribute(file, name) for name in ("part", "count", "problem")}


def load_checkpoint_file(path):
    """Return (array, count), the inverse of `write_checkpoint_file`: bit for bit, in the same memory order. It is not checked again."""
    with damage_reported(path), open_file(path, "checkpoint") as file:
        array = np.empty(file["array"].shape)
        file["array"].read_direct(array)
        return array.T if read_attribute(file, "transposed") else array, read_attribute(file, "count")


class _Recorder(io.RawIOBase):
    """A stream for HDF5 to write to that keeps what is written and leaves the holes out: all of a file but its array, in a few kB.

    HDF5 itself must not meet a full disk, which it does not survive.
    """

    def __init__(self):
        self._pieces, self._place, self._size = [], 0, 0

    def play(self, stream):
        """Write to a file what was written here."""
        stream.truncate(self._size)
        for place, data in self._pieces:
            stream.seek(place)
            stream.write(data)

    def seekable(self):
        return True

    def seek(self, offset, whence=os.SEEK_SET):
        self._place = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._place, os.SEEK_END: self._size}[whence]
        return self._place

    def tell(self):
        return self._place

    def write(self, data):
        self._pieces.append((self._place, bytes(data)))
        self.seek(len(data), os.SEEK_CUR)
        self._size = max(self._size, self._place)
        return len(data)

    def readinto(self, buffer):
        wanted = memoryview(buffer).cast("B")
        wanted[:] = bytes(len(wanted))
        for place, data in self._pieces:
            start, stop = max(place, self._place), min(place + len(data), self._place + len(wanted))
            if start < stop:
                wanted[start - self._place : stop - self._place] = data[start - place : stop - place]
        self.seek(len(wanted), os.SEEK_CUR)
        return len(wanted)

    def truncate(self, size=None):
        self._size = self._place if size is None else size
        return self._size


def _digest(path, size):
    """Return the SHA-256 of the first `size` bytes of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while size > 0 and (data := stream.read(min(CHUNK, size))):
            digest.update(data)
            size -= len(data)
    return digest.digest()
