"""`hnn-hpc fit JOB.toml`: learn a Hamiltonian as a job file says, and write the model and the result."""

import os
import sys
from pathlib import Path

from hnn_hpc.cli.fit_graphs import describe_graphs
from hnn_hpc.cli.progress import WIPE
from hnn_hpc.cli.text import byte_size, count, scientific, table
from hnn_hpc.job import load_job
from hnn_hpc.run import run_job
from hnn_hpc.run_files import MODEL_FILE, RESULT_FILE
from hnn_hpc.run_place import restarts_by_slurm

CLEARLY = 1e-3  # so far below 0, of the largest, a damping is asked for that is none
MOST_NAMES = 8  # of coordinates in a row of the table
HELP = "learn a Hamiltonian as a job file says"
PETSC_HELP = "words after -- are options of PETSc for the solver lsqr, as in: --set solver.name=lsqr -- -ksp_monitor -ksp_max_it 30"


def add_arguments(parser):
    parser.epilog = PETSC_HELP
    parser.add_argument("job", type=Path, metavar="JOB.toml", help="what to compute")
    parser.add_argument("--output", metavar="DIR", help=f"directory for {MODEL_FILE} and {RESULT_FILE}, in place of output.directory")
    parser.add_argument("--set", action="append", default=[], dest="overrides", metavar="TABLE.KEY=VALUE", help="replace a key of the job")
    parser.add_argument("--force", action="store_true", help="replace the results of an earlier run, and remove its checkpoint")
    resume = "go on from the checkpoint of an interrupted run, if there is one; a job that SLURM starts again does so by itself"
    parser.add_argument("--resume", action="store_true", help=resume)


def run(arguments, communicator, progress):
    with communicator.together():
        job = load_job(arguments.job, arguments.overrides, arguments.output)
    resume = arguments.resume or restarts_by_slurm(os.environ) > 0
    how = arguments.force, progress, resume, arguments.interruptions, _say, arguments.petsc_options
    return run_job(job, communicator, *how)


def _say(text):
    """Print a line on stderr, in the place of a progress bar where there is one."""
    print(f"{WIPE if sys.stderr.isatty() else ''}hnn-hpc: {text}", file=sys.stderr, flush=True)


def describe(result):
    if "terms" in result:
        return describe_graphs(result)
    seconds, test, predicted, basis = result["seconds"], result["test"], result["predicted"], result["basis"]
    tested = test["samples"] is not None
    duplicates = result["sampler_report"]["duplicates_left"]
    energy_error = (
        f"{scientific(test['energy_error'])} relative" if test["energy_error"] is not None else "unknown, the file has no energies"
    )
    return table(
        [
            ("samples", f"{count(result['samples'], 'sample')} of {count(2 * result['dof'], 'coordinate')}"),
            ("velocities", result["step"] and _velocities(result["step"])),
            ("damping", result["damping"] and _damping(result["damping"])),
            ("features", f"{count(result['features'], 'feature')}, {result['sampler']}"),
            ("supports", basis and _supports(basis, _origin(result, "supports"))),
            ("bandwidth", basis and _bandwidths(basis, _origin(result, "bandwidth"))),
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
            ("time", ", ".join(f"{stage} {value:.2f} s{_search(stage, basis)}" for stage, value in seconds.items())),
            ("peak memory", f"{byte_size(result['peak_memory_bytes'])} on the largest rank"),
            ("predicted", f"solve {predicted['seconds']:.2f} s, peak memory {byte_size(predicted['memory_bytes'])}"),
            ("written", Path(result["job"]["output"]["directory"]) / MODEL_FILE),
            ("", Path(result["job"]["output"]["directory"]) / RESULT_FILE),
        ]
    )


def _velocities(step):
    """Return in words how velocities were made of states, and how well the model makes these steps."""
    made = f"of states {step['size']:g} apart, by the rule {step['rule']}, {count(step['corrections'], 'correction')}"
    missed = f"the model's steps miss the next states by {scientific(step['step_errors'][step['corrections']])} of a step"
    return f"{made}; {missed}{'' if step['stop_reason'] == 'done' else ', and another correction gains nothing'}"


def _damping(told):
    """Return γ in words, and what there is to know of it."""
    text = ", ".join(f"{gamma:.6g} p{i}" for i, gamma in enumerate(told["damping"], start=1))
    wanted = [f"{asked:.2g} p{i}" for i, asked in enumerate(told["asked"], start=1) if asked < -CLEARLY * max(map(abs, told["asked"]))]
    if wanted:
        text += f"; the data ask for {', '.join(wanted)}: energy is fed in, or signs or columns are mixed up"
    return text if told["settled"] else f"{text}, not settled: the last change was {scientific(told['last_change'])} of dp/dt"


def _supports(basis, origin):
    """Return "q1 q2; p1; p2, found", or where they are long "31 supports of 1 to 2 coordinates, found; 15 pairs interact"."""
    supports = basis["supports"]
    if sum(map(len, supports)) <= MOST_NAMES:
        return f"{'; '.join(map(' '.join, supports))}, {origin}"
    fewest, most, pairs = min(map(len, supports)), max(map(len, supports)), len(basis["interactions"])
    sizes = f"{f'{fewest} to ' if fewest < most else ''}{count(most, 'coordinate')}"
    return f"{count(len(supports), 'support')} of {sizes}, {origin}; {count(pairs, 'pair')} interact{'s' if pairs == 1 else ''}"


def _bandwidths(basis, origin):
    """Return "0.0884 q1, 0.0884 q2, 8 p1, 4 p2, found", or where they are many "0.125 to 0.5, found"."""
    bandwidths = basis["bandwidths"]
    if len(bandwidths) <= MOST_NAMES:
        return f"{', '.join(f'{value:.3g} {name}' for name, value in bandwidths.items())}, {origin}"
    least, most = (f"{value:.3g}" for value in (min(bandwidths.values()), max(bandwidths.values())))
    return f"{least if least == most else f'{least} to {most}'}, {origin}"


def _origin(result, what):
    """Return in a word where supports or bandwidths come from."""
    if what in result["basis"]["searched"]:
        return "found"
    return "assumed: too few samples for a search" if result["job"]["features"][what] == "auto" else "given"


def _search(stage, basis):
    """What the table adds to the time of a stage: how much of it the search for a basis took."""
    return f" (search {basis['seconds']:.2f} s)" if stage == "sampling" and basis and basis["searched"] else ""
