"""A file under its final name is whole: the old one until the new one is complete."""

import errno
import os
import stat

import pytest

from hnn_hpc.errors import OutputError, UserError
from hnn_hpc.storage import check_writable, scratch_file, written_beside
from hnn_hpc.storage.atomic import DISK_ERRORS


def test_the_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "result.json"
    with written_beside(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path and not path.exists()
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_any_new_file(tmp_path):
    (tmp_path / "other").touch()
    with written_beside(tmp_path / "file") as temporary:
        temporary.touch()
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


def test_force_replaces_an_old_file_and_nothing_else_does(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(UserError, match=r"result\.json exists; pass --force to replace it"), written_beside(path):
        pytest.fail("asked to write")
    with written_beside(path, force=True) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt, FileNotFoundError])
def test_a_failure_leaves_the_old_file_and_no_other(tmp_path, error):
    path = tmp_path / "result.json"
    path.write_text("old")
    with pytest.raises(error), written_beside(path, force=True) as temporary:
        temporary.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_appears_meanwhile_is_not_replaced(tmp_path):
    path = tmp_path / "result.json"
    with pytest.raises(UserError, match="exists; pass --force"), written_beside(path) as temporary:
        temporary.write_text("mine")
        path.write_text("theirs")
    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_a_symbolic_link_stays_a_link(tmp_path):
    link, target = tmp_path / "link", tmp_path / "elsewhere" / "target"
    target.parent.mkdir()
    link.symlink_to(target)
    with written_beside(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink() and target.read_text() == "new"


def test_a_full_disk(tmp_path, full_disk):
    path = tmp_path / "result.json"
    path.write_text("old")
    error = pytest.raises(OutputError, match=r"cannot write .*result\.json: File too large; nothing was written")
    with error, full_disk() as limit_to, written_beside(path, force=True) as temporary:
        limit_to(1000)
        temporary.write_text("x" * 1001)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("number", sorted(DISK_ERRORS))
def test_every_failure_of_the_disk_is_one_sentence(tmp_path, number):
    with pytest.raises(OutputError, match=os.strerror(number)), written_beside(tmp_path / "file"):
        raise OSError(number, os.strerror(number))


CANNOT_BE_WRITTEN = {
    "directory": (".", "is a directory"),
    "no name": ("", "is a directory"),
    "no such directory": ("none/file", "does not exist; create it first"),
    "a file as directory": ("a_file/file", "is not a directory"),
    "no directory that takes files": ("/proc/file", os.strerror(errno.ENOENT)),
    "device": ("/dev/null", "is not a regular file"),
    "null character": ("a\0b", "no null characters"),
    "name too long": ("x" * 300, os.strerror(errno.ENAMETOOLONG)),
    "link to itself": ("loop", os.strerror(errno.ELOOP)),
}


@pytest.mark.parametrize("case", CANNOT_BE_WRITTEN)
def test_what_cannot_be_written_is_said_before_anything_is_computed(tmp_path, monkeypatch, case):
    name, words = CANNOT_BE_WRITTEN[case]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a_file").touch()
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.iterdir())
    for path in (name, os.fsencode(name)):
        with pytest.raises(UserError, match=words) as caught:
            check_writable(path, force=True)
        assert repr(name)[1:-1] in str(caught.value)
    with pytest.raises(UserError, match=words), written_beside(name, force=True):
        pytest.fail("asked to write")
    assert sorted(tmp_path.iterdir()) == before


def test_a_long_name_that_the_system_takes(tmp_path):
    path = tmp_path / ("ü" * 127)  # 254 bytes of the 255 allowed
    with written_beside(path) as temporary:
        temporary.touch()
    assert path.exists()


def test_too_little_space(tmp_path):
    with pytest.raises(UserError, match=r"file: it needs 1,152,921,504,606,846,976 bytes, and .* free"):
        check_writable(tmp_path / "file", size=2**60)
    assert list(tmp_path.iterdir()) == []


def test_a_scratch_file_has_no_name_and_is_gone(tmp_path):
    with scratch_file(tmp_path / "target") as stream:
        stream.write(b"numbers")
        stream.seek(0)
        assert stream.read() == b"numbers" and list(tmp_path.iterdir()) == []
    assert stream.closed and list(tmp_path.iterdir()) == []


def test_a_scratch_file_on_a_full_disk(tmp_path, full_disk):
    error = pytest.raises(OutputError, match="cannot write .*target: File too large; nothing was written")
    with error, full_disk() as limit_to, scratch_file(tmp_path / "target") as stream:
        limit_to(100)
        stream.write(bytes(10**6))
