"""Figures of models: whole, small, deterministic files."""

import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from hnn_hpc.errors import UserError
from hnn_hpc.report.figures import check_figure_path, draw_energy, plane
from hnn_hpc.systems import make_system

LARGEST_SVG = 400_000  # bytes; a page of a README should not weigh more
NAMES = ["q1", "q2", "p1", "p2"]


class Learned:
    """A system in the clothes of a trained model: its energy is `change` of the system's, and its constant may not be known."""

    def __init__(self, system, change, constant_known=True):
        self.domain, self.constant_known = system.box, constant_known
        self.energy = lambda x: change(system.energy(x))


def texts(svg):
    return {element.text for element in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")}


def test_svg_shows_both_energies_and_their_difference_in_the_same_small_file_every_time(tmp_path):
    system, paths = make_system("henon-heiles", {}), (tmp_path / "one.svg", tmp_path / "two.svg")
    for path in paths:
        draw_energy(path, Learned(system, lambda H: H + 1e-3 * np.sin(H) + 100, constant_known=False), system, (0, 2), NAMES)
    assert {"learned energy", "true energy", "difference, relative", "q1", "p1"} <= texts(paths[0])
    assert paths[0].stat().st_size < LARGEST_SVG
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_perfect_model_can_be_drawn(tmp_path):
    system = make_system("henon-heiles", {})
    draw_energy(tmp_path / "perfect.png", Learned(system, lambda H: H), system, (0, 1), NAMES)
    assert (tmp_path / "perfect.png").read_bytes()[:4] == b"\x89PNG"


def test_a_flat_energy_of_an_unknown_system_stands_alone(tmp_path):
    draw_energy(tmp_path / "figure.svg", Learned(make_system("henon-heiles", {}), np.zeros_like), None, (0, 1), NAMES)
    assert "learned energy" in texts(tmp_path / "figure.svg") and "true energy" not in texts(tmp_path / "figure.svg")


def test_the_plane_passes_through_the_middle_of_the_domain():
    domain = np.array([[0, 1], [2, 6], [-1, 1], [5, 7]], dtype=float)
    x, y, points = plane(domain, (3, 0))
    assert (x[0], x[-1], y[0], y[-1]) == (5, 7, 0, 1)
    assert points[2, 5].tolist() == [y[2], 4, 0, x[5]]


def test_a_missing_matplotlib_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"pip install 'hnn-hpc\[report\]'"):
        check_figure_path("figure.svg")
