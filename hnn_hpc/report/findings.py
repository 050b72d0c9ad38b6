"""All that a report tells of one fit, computed before anything is drawn."""

from dataclasses import dataclass
from typing import Any

from hnn_hpc.models import HamiltonianModel
from hnn_hpc.report.interaction_figure import InteractionGraph, interaction_graph
from hnn_hpc.report.motion import Motion, motion_of
from hnn_hpc.report.residuals import Residuals, residuals_of
from hnn_hpc.report.section_pictures import sections_of
from hnn_hpc.samples.survey import coordinate_name


@dataclass(frozen=True)
class Findings:
    """What a report tells.

    name       of the run: that of its directory
    model_file as one would type it
    result     what result.json holds
    model      the learned Hamiltonian
    system     the true one, or None where it is not known
    residuals  at some points, or None where there are none to compare with
    remark     why there are none, else None
    motion     None where no orbit stays in the model's domain
    sections   of Poincaré, of the Hénon-Heiles system
    graph      of what interacts, None where the model does not tell
    """

    name: str
    model_file: str
    result: dict
    model: HamiltonianModel
    system: Any
    residuals: Residuals | None
    remark: str | None
    motion: Motion | None
    sections: list
    graph: InteractionGraph | None

    @property
    def coordinates(self):
        """The names q1..qn, p1..pn."""
        return [coordinate_name(index, self.model.dimension) for index in range(self.model.dimension)]

    @property
    def plane(self):
        """The two coordinates of the pictures of the energy: q1 and q2, or q1 and p1."""
        return 0, 1


def find(name, model_file, result, model, system, samples, where):
    """Return the `Findings` of a fit.

    samples: `Samples` to compare with, or None; where: what they are, or why there are none.
    """
    residuals = None if samples is None else residuals_of(model, samples, where)
    remark = where if samples is None else None
    motion, sections = motion_of(model, system), sections_of(model, system)
    return Findings(name, model_file, result, model, system, residuals, remark, motion, sections, interaction_graph(model))
