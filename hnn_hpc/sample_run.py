"""What the run of a job computes for samples of phase space: the fit, its test, and the result."""

import time

from hnn_hpc.errors import UserError
from hnn_hpc.evaluation import check_finite, evaluate
from hnn_hpc.features import check_requirements
from hnn_hpc.job import FileData
from hnn_hpc.refits import usual_fits
from hnn_hpc.run_files import told_of_fit
from hnn_hpc.samples import RowRange, SystemSamples
from hnn_hpc.storage import open_samples
from hnn_hpc.training import fit_source, plan_for


class SampleRun:
    """The fit and the test of a `Job` of samples.

    Errors: `UserError` for sources that cannot be used, and options of PETSc that would have no effect.
    """

    def __init__(self, job, petsc_options=()):
        self._job, self._petsc_options = job, petsc_options
        self._train, self._test, self._reference = open_sources(job)
        if petsc_options:
            _check_lsqr(self._train, job.options)

    @property
    def about(self):
        """What a status tells of the run."""
        return {"samples": self._train.count, "dof": self._train.dimension // 2, "features": self._job.options.features}

    def planned(self):
        """Return (the `Plan` of the fit, arguments of a `Forecast` of its costs)."""
        options, train = self._job.options, self._train
        check_requirements(options.sampler, train.has_energies, train.location)
        chosen = plan_for(train.count, train.dimension, options, train.location)
        how = {"khatri_rao": options.coordinates_of(train.dimension).is_plain}
        sizes = {"samples": train.count, "dimension": train.dimension, "options": options}
        return chosen, sizes | {"how": how, "solves": usual_fits(train, options)}

    def compute(self, communicator, progress, checkpoint, start):
        """Return the model and what the result says of it, on every rank. Collective. start: when the run began."""
        job, train, test = self._job, self._train, self._test
        if test:  # before the hours of the fit, not after them
            check_finite(test, communicator, progress)
        fit = fit_source(train, job.options, communicator, progress, reference=self._reference, checkpoint=checkpoint)
        fitted = time.perf_counter()
        errors = evaluate(fit.model, test, communicator, progress) if test else {}
        ended = time.perf_counter()
        result = {
            "samples": fit.record["samples"],
            "dof": fit.record["dof"],
            "features": job.options.features,
            "sampler": job.options.sampler,
            "sampler_report": fit.record["sampler_report"],
            "basis": fit.record["basis"],
            "step": fit.record["step"],
            "damping": fit.record["damping"],
            **told_of_fit(fit, job, self._petsc_options, communicator, {"evaluate": ended - fitted, "total": ended - start}),
            "constant_known": fit.model.constant_known,
            "test": {name: errors.get(name) for name in ("samples", "energy_error", "gradient_error")},
        }
        return fit.model, result


def open_sources(job):
    """Return (training source, test source or None, reference (x0, H0) or None) for a job; `UserError` for one of graphs."""
    if job.is_of_graphs:
        raise UserError("this is a job of graphs, and this command knows samples of phase space alone; see fit, plan, submit and compare")
    data = job.data
    if isinstance(data, FileData):
        return *_open_files(data, job.options), None if data.reference_point is None else (data.reference_point, data.reference_energy)
    if job.options.rule is not None or job.options.stride != 1:
        raise UserError(
            "dynamics.rule and dynamics.stride are for files of trajectories; samples of a system have velocities: leave them out"
        )
    x0 = data.system.reference_point if data.reference_point is None else data.reference_point
    H0 = data.system.energy(x0) if data.reference_energy is None else data.reference_energy
    train = SystemSamples(data.system, data.samples, data.seed)
    return train, SystemSamples(data.system, data.test_samples, data.seed, stream="test points"), (x0, float(H0))


def _open_files(data, options):
    train = open_samples(data.file, options.rule, options.stride)
    if data.test_file:
        test = open_samples(data.test_file, stride=options.stride)
        if test.dimension != train.dimension:
            raise UserError(f"{data.test_file} has {test.dimension} coordinates, but {data.file} has {train.dimension}")
        return train, test
    if data.test_fraction is None:
        return train, None
    kept = max(1, round(train.count * data.test_fraction))
    shared = options.stride if train.step else 0  # rows that have states in common with the first of the test
    return RowRange(train, 0, max(0, train.count - kept - shared)), RowRange(train, train.count - kept, kept)


def _check_lsqr(source, options):
    """Raise UserError unless the samples are sure to be solved by lsqr, and options of PETSc thus to have an effect."""
    plan = plan_for(source.count, source.dimension, options, source.location)
    quick = plan.if_well_conditioned
    if options.solver == "lsqr" or (plan.solver == "lsqr" and not quick and options.is_dense):
        return
    if options.solver == "auto" and not options.is_dense:
        instead = "auto chooses for every part of a sparse problem by itself"
    elif options.solver == "auto":
        instead = f"auto takes {plan.solver}{f', or {quick.solver} if well conditioned,' if quick else ''} for these samples"
    else:
        instead = f"solver.name is {options.solver}"
    raise UserError(f"options of PETSc are for the solver lsqr, but {instead}; leave them out, or set solver.name=lsqr")
