"""`hnn-hpc fit JOB.toml`: learn a Hamiltonian as a job file says, and write the model and the result."""

import sys
from pathlib import Path

from hnn_hpc.cli.progress import WIPE
from hnn_hpc.cli.text import byte_size, count, scientific, table
from hnn_hpc.job import load_job
from hnn_hpc.run import MODEL_FILE, RESULT_FILE, run_job

HELP = "learn a Hamiltonian as a job file says"
PETSC_HELP = "words after -- are options of PETSc for the solver lsqr, as in: --set solver.name=lsqr -- -ksp_monitor -ksp_max_it 30"


def add_arguments(parser):
    parser.epilog = PETSC_HELP
    parser.add_argument("job", type=Path, metavar="JOB.toml", help="what to compute")
    parser.add_argument("--output", metavar="DIR", help=f"directory for {MODEL_FILE} and {RESULT_FILE}, in place of output.directory")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="TABLE.KEY=VALUE", help="replace a key of the job")
    parser.add_argument("--force", action="store_true", help="replace the results of an earlier run, and remove its checkpoint")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint of an interrupted run, if there is one")


def run(arguments, communicator, progress):
    with communicator.together():
        job = load_job(arguments.job, arguments.overrides, arguments.output)
    how = arguments.force, progress, arguments.resume, arguments.interruptions, _say, arguments.petsc_options
    return run_job(job, communicator, *how)


def _say(text):
    """Print a line on stderr, in the place of a progress bar where there is one."""
    print(f"{WIPE if sys.stderr.isatty() else ''}hnn-hpc: {text}", file=sys.stderr, flush=True)


def describe(result):
    seconds, test, predicted = result["seconds"], result["test"], result["predicted"]
    tested = test["samples"] is not None
    duplicates = result["sampler_report"]["duplicates_left"]
    energy_error = (
        f"{scientific(test['energy_error'])} relative" if test["energy_error"] is not None else "unknown, the file has no energies"
    )
    return table(
        [
            ("samples", f"{count(result['samples'], 'sample')} of {count(2 * result['dof'], 'coordinate')}"),
            ("features", f"{count(result['features'], 'feature')}, {result['sampler']}"),
            ("solver", f"{result['solver']} on {count(result['ranks'], 'rank')}, {count(result['threads'], 'thread')} each"),
            ("iterations", f"{result['iterations']} of LSQR" if result["solver"] == "lsqr" else None),
            ("petsc", " ".join(result["petsc_options"]) or None),
            ("resumed", f"{count(result['blocks_taken_over'], 'block')} taken over from a checkpoint" if result["resumed"] else None),
            ("stop reason", f"{result['stop_reason']}, certified"),
            (
                "residual",
                f"{scientific(result['relative_residual'])} of the data, {scientific(result['normal_residual'])} of the normal equations",
            ),
            ("constant", None if result["constant_known"] else "unknown: the data fix H only up to a constant"),
            ("duplicates", count(duplicates, "repeated feature") if duplicates else None),
            ("condition", f"{scientific(result['condition_estimate'])}, numerical rank {result['rank']} of {result['features']}"),
            ("ridge", f"{scientific(result['ridge'])}, {result['effective_dof']:.0f} effective coefficients" if result["ridge"] else None),
            ("noise", f"{scientific(result['noise_level'])} a velocity, the residual per free row" if result["ridge"] else None),
            ("test", count(test["samples"], "other sample") if tested else "none"),
            ("energy error", energy_error if tested else None),
            ("gradient error", f"{scientific(test['gradient_error'])} relative" if tested else None),
            ("time", ", ".join(f"{stage} {value:.2f} s" for stage, value in seconds.items())),
            ("peak memory", f"{byte_size(result['peak_memory_bytes'])} on the largest rank"),
            ("predicted", f"solve {predicted['seconds']:.2f} s, peak memory {byte_size(predicted['memory_bytes'])}"),
            ("written", Path(result["job"]["output"]["directory"]) / MODEL_FILE),
            ("", Path(result["job"]["output"]["directory"]) / RESULT_FILE),
        ]
    )
