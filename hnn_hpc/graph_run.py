"""What the run of a job computes for graphs of particles: the fit, its test, and the result."""

import time
from dataclasses import replace

from hnn_hpc.errors import UserError
from hnn_hpc.graph_evaluation import check_bonds, check_usable, evaluate_graphs
from hnn_hpc.graph_job import GraphFileData
from hnn_hpc.graph_training import fit_graph_source, usual_plan
from hnn_hpc.options import DENSE
from hnn_hpc.run_files import told_of_fit

ERRORS = ("energy_error", "gradient_error", "mse", "outside")


class GraphRun:
    """The fit and the test of a `Job` of graphs. Errors: `UserError` for sources that cannot be used, and for options of PETSc."""

    def __init__(self, job, petsc_options=()):
        self._job, self._petsc_options = job, petsc_options
        self._train, self._test = job.data.sources()
        if self._test:
            check_bonds(self._train.cutoff, self._test)
        if petsc_options:
            raise UserError("options of PETSc are for the solver lsqr, which graphs do not use; leave them out")

    @property
    def about(self):
        """What a status tells of the run."""
        return {"samples": self._train.count, "dof": _largest_dof(self._train), "features": self._job.options.features}

    def planned(self):
        """Return (the `Plan`, arguments of a `Forecast`) of the largest problem, that of the bonds, whose samples are particles.

        The number of kinds of bonds is that of the first graph.
        """
        train, options = self._train, self._job.options
        chosen, features, how, bytes_of_particle = usual_plan(train, options, self._job.network)
        options = replace(options, features=features, supports=DENSE)
        particles = int(train.offsets[-1])
        sample_bytes = tuple(round(count * bytes_of_particle) for count in (particles, _largest_dof(train) // train.dimension))
        sizes = {"samples": particles, "dimension": train.dimension, "options": options}
        return chosen, sizes | {"how": how, "sample_bytes": sample_bytes}

    def compute(self, communicator, progress, checkpoint, start):
        """Return the model and what the result says of it, on every rank. Collective. start: when the run began."""
        job = self._job
        if self._test and isinstance(job.data, GraphFileData):  # before the hours of the fit, not after them
            check_usable(self._test, communicator, progress)
        fit = fit_graph_source(self._train, job.options, job.network, communicator, progress, checkpoint=checkpoint)
        fitted = time.perf_counter()
        errors = evaluate_graphs(fit.model, self._test, communicator, progress) if self._test else {}
        ended = time.perf_counter()
        result = {
            "samples": fit.record["graphs"],
            "dof": _largest_dof(self._train),
            **{name: fit.record[name] for name in ("particles", "bonds", "dimension", "features", "terms")},
            "sampler": job.options.sampler,
            "basis": fit.record["basis"],
            **told_of_fit(fit, job, self._petsc_options, communicator, {"evaluate": ended - fitted, "total": ended - start}),
            "constant_known": fit.model.constants_known,
            "test": {"samples": errors.get("graphs"), **{name: errors.get(name) for name in ("particles", "bonds", *ERRORS)}},
        }
        return fit.model, result


def _largest_dof(source):
    """Return the degrees of freedom of the largest graph."""
    return source.dimension * int((source.offsets[1:] - source.offsets[:-1]).max())
