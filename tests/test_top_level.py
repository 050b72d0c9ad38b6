"""What is committed: only known top-level entries, no lock file of any tool, no binary."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOP_LEVEL = {
    ".ci",
    ".gitattributes",
    ".github",
    ".gitignore",
    "LICENSE",
    "README.md",
    "hnn_hpc",
    "jobs",
    "pyproject.toml",
    "slurm",
    "tests",
}
LOCK_FILES = {"Pipfile.lock", "conda-lock.yml", "package-lock.json", "pdm.lock", "pixi.lock", "poetry.lock", "pylock.toml", "uv.lock"}
PICTURES = {".png", ".svg"}  # of the README


def tracked_files(root):
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True).stdout
    return [Path(name) for name in listing.split("\0") if (root / name).is_file()]


def misplaced(root):
    """One line of text for each of these files that does not belong into the repository."""
    found = []
    for path in tracked_files(root):
        if path.parts[0] not in TOP_LEVEL:
            found.append(f"{path}: not a known top-level entry")
        if path.name in LOCK_FILES or path.suffix == ".lock":
            found.append(f"{path}: a lock file")
        if path.suffix not in PICTURES and b"\0" in (root / path).read_bytes():
            found.append(f"{path}: binary")
    return found


def test_only_what_belongs_here_is_committed():
    assert misplaced(ROOT) == []


@pytest.mark.parametrize(
    ("name", "contents", "complaint"),
    [
        ("notes.txt", b"", "not a known top-level entry"),
        ("tests/uv.lock", b"", "a lock file"),
        ("hnn_hpc/table.bin", b"\0\1", "binary"),
        ("tests/model.h5", b"\0", None),  # ignored, so never committed
    ],
)
def test_what_does_not_belong_is_found(tmp_path, name, contents, complaint):
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    (tmp_path / ".gitignore").write_bytes((ROOT / ".gitignore").read_bytes())
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(contents)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)
    assert misplaced(tmp_path) == ([f"{name}: {complaint}"] if complaint else [])
