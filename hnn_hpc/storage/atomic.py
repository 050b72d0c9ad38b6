"""Files appear whole or not at all: written beside the target, brought to disk, then renamed."""

import errno
import os
import secrets
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path

from hnn_hpc.errors import OutputError, UserError

DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO}


def check_writable(path, force=False, size=0):
    """Raise `UserError` unless a file of `size` bytes can be written to `path` now: asked before hours of computing, not after them.

    Parameters: path (text or Path), force (bool): an existing file may be replaced, size (int): bytes of free space needed.
    """
    target = _target(path)
    _refuse_occupied(path, target, force)
    if not target.parent.is_dir():
        problem = "is not a directory" if target.parent.exists() else "does not exist; create it first"
        raise UserError(f"cannot write {path}: its directory {target.parent} {problem}")
    probe = _name_beside(target)
    try:
        with suppress(FileNotFoundError):
            target.stat()  # fails for a name that is too long
        try:
            probe.touch(exist_ok=False)  # permissions, quotas and read-only mounts are all asked by doing it
        finally:
            probe.unlink(missing_ok=True)
        free = shutil.disk_usage(target.parent).free
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror} in the directory {target.parent}") from error
    if free < size:
        raise UserError(f"cannot write {path}: it needs {size:,} bytes, and {target.parent} has {free:,} free")


def check_other_file(path, read):
    """Raise `UserError` where `path`, to be written, is the file that is read: by another name or not, and whether forced or not."""
    if os.path.exists(path) and os.path.exists(read) and os.path.samefile(path, read):
        raise UserError(f"--output {path} would replace {read}, which is read; give the output another name")


@contextmanager
def written_beside(path, force=False, size=0):
    """Yield a temporary `Path` in the directory of `path`, not yet existing; on success the file written there takes the name `path`.

    On any failure the temporary file is removed and an older file of that name stays as it was. A symbolic link stays a link: the
    file it points to is replaced. Parameters and errors are those of `check_writable`; `OutputError` where the disk fills up meanwhile.
    """
    check_writable(path, force, size)
    target = _target(path)
    temporary = _name_beside(target)
    try:
        with _disk_errors_reported(path):
            yield temporary
            _bring_to_disk(temporary)
            _refuse_occupied(path, target, force)  # somebody else may have written it meanwhile
            os.replace(temporary, target)
            with suppress(OSError):  # some file systems cannot synchronize a directory
                _bring_to_disk(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch_file(path):
    """Yield a binary stream without a name, to write and read, on the disk of `path`: for what is too large for memory until `path` is
    written. It is gone with the end of the block, or of the program. `OutputError` where the disk fills up."""
    with _disk_errors_reported(path), tempfile.TemporaryFile(dir=_target(path).parent) as stream:
        yield stream


@contextmanager
def _disk_errors_reported(path):
    try:
        yield
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        raise OutputError(f"cannot write {path}: {error.strerror}; nothing was written") from error


def _target(path):
    """The file that `path` names, symbolic links followed."""
    path = os.fsdecode(path)
    if "\0" in path:
        raise UserError(f"cannot write {path!r}: a path has no null characters")
    return Path(os.path.realpath(path))


def _name_beside(target):
    """A new hidden name in the same directory; long names are cut, because a file name may have 255 bytes."""
    return target.with_name(f".{target.name[:40]}.{secrets.token_hex(4)}.partial")


def _refuse_occupied(path, target, force):
    if os.path.isdir(target):
        raise UserError(f"cannot write {path}: it is a directory; give the name of a file")
    if os.path.exists(target) and not os.path.isfile(target):
        raise UserError(f"cannot write {path}: it is not a regular file")
    if os.path.exists(target) and not force:
        raise UserError(f"{path} exists; pass --force to replace it (force=True in Python)")


def _bring_to_disk(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
