"""What a control group leaves of its limit, from files as Linux writes them; the rest is compared with what is really taken elsewhere."""

import numpy as np
import pytest

from hnn_hpc import peak_memory


@pytest.fixture
def groups(tmp_path):
    """Writes (limit, taken) of a control group, and has this process in the group job/step."""
    (tmp_path / "own").write_text("4:memory:/elsewhere\n0::/job/step\n")

    def write(name, limit, taken, cached=20):
        group = tmp_path / "root" / name
        group.mkdir(parents=True, exist_ok=True)
        (group / "memory.max").write_text(f"{limit}\n")
        (group / "memory.current").write_text(f"{taken}\n")
        (group / "memory.stat").write_text(f"anon 77\nactive_file 20\ninactive_file {cached - 20}\n")

    write.left = lambda: peak_memory._left_in_cgroups(tmp_path / "root", tmp_path / "own")
    return write


def test_every_group_above_this_process_counts(groups):
    assert groups.left() == []
    groups("job/step", "max", 300)
    assert groups.left() == []
    groups("job", 1000, 350, cached=50)
    assert groups.left() == [700]
    groups("job/step", 400, 500)
    assert sorted(groups.left()) == [0, 700]
    groups("another", 1, 0)
    assert sorted(groups.left()) == [0, 700]


def test_the_least_of_all_is_available(monkeypatch):
    before = peak_memory.available_memory_bytes()
    assert before > 0
    monkeypatch.setattr(peak_memory, "_left_in_cgroups", lambda: [before + 10**12, 5000])
    assert peak_memory.available_memory_bytes() == 5000


def test_an_array_that_is_written_to_is_resident():
    before = peak_memory.resident_memory_bytes()
    array = np.ones(10**7)
    assert peak_memory.resident_memory_bytes() - before > 0.9 * array.nbytes
    assert peak_memory.peak_memory_bytes() >= before + 0.9 * array.nbytes
