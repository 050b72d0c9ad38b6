"""`hnn-hpc status DIR`: how far a fit is, or what became of it; of many fits in folders below DIR, one table."""

import os
from pathlib import Path

from hnn_hpc.cli.text import byte_size, columns, count, duration, scientific, table
from hnn_hpc.errors import UserError
from hnn_hpc.run_place import told
from hnn_hpc.run_state import FAILED, FINISHED, INTERRUPTED, RUNNING, SILENT, WAITING, run_states

HELP = "tell how far a fit is, or what became of it, from the files in its directory; of several fits below it, one table"
WAY_ON = {  # what there is to say, and what --resume would do then
    SILENT: "no sign of life: it was killed, or its node or disk has failed; with --resume it {}",
    INTERRUPTED: "with --resume it {}; a job of SLURM that is queued again does so by itself",
    FAILED: "once that is mended, --resume {}",
    WAITING: "a job of SLURM that has not begun, or has not said a word: see squeue --me",
}


def add_arguments(parser):
    parser.add_argument("directory", type=Path, metavar="DIR", help="the output directory of a fit, or a folder of such directories")


def run(arguments, communicator, progress):
    states = None
    with communicator.together():
        if communicator.is_root:
            try:
                os.scandir(arguments.directory).close()
            except OSError as error:
                raise UserError(f"cannot read {arguments.directory}: {error.strerror}; expected the output directory of a fit") from None
            states = run_states(arguments.directory)
            if not states:
                nothing = "no whole result, no checkpoint, none at work, no log of SLURM"
                raise UserError(f"there is no fit in {arguments.directory} or below it: {nothing}")
    return {"runs": communicator.broadcast(states)}


def describe(result):
    runs = result["runs"]
    return _one(runs[0]) if len(runs) == 1 else _several(runs)


def _one(run):
    found, status = run["result"], run["status"]
    rows = [("directory", run["directory"]), ("state", run["state"]), ("problem", run["problem"])]
    if run["state"] in WAY_ON:
        rows.append(
            ("", WAY_ON[run["state"]].format("goes on from its checkpoint" if run["saved"] else "begins anew: there is no checkpoint"))
        )
    if run["state"] in (FAILED, WAITING):
        rows.append(("log", run["log"]))
    if status:
        rows += _at_work(status, run["silent_seconds"])
    for saved in (run["state"] != FINISHED and run["saved"]) or []:
        ago = duration(saved["seconds_ago"])
        rows.append(("checkpoint", f"{saved['blocks']} of {saved['of']} blocks of {saved['solve']}, the latest saved {ago} ago"))
    if found and run["state"] == FINISHED:
        rows += _of_result(found)
    elif found:
        rows.append(("older result", f"energy error {scientific(_error(found, 'energy_error'))}"))
    return table(rows)


def _size(about):
    samples, coordinates, features = about["samples"], 2 * about["dof"], about["features"]
    return f"{count(samples, 'sample')} of {count(coordinates, 'coordinate')}, {count(features, 'feature')}"


def _at_work(status, silent):
    steps = rate = None
    if status["total"] > 1:
        spared = f", {status['spared']} of them from the checkpoint" if status["spared"] else ""
        steps = f", {status['done']} of {status['total']} steps of the first rank{spared}"
        done = status["done"] - status["spared"]
        if done and status["stage_seconds"] > 0:
            rate = f"{done / status['stage_seconds']:.3g} steps a second"
    remaining = status["remaining_seconds"]
    restarts = f", started again {count(status['restarts'], 'time')}" if status["restarts"] else ""
    return [
        ("fit", f"{_size(status)}, on {count(status['ranks'], 'rank')}"),
        ("run", f"{told(status)}{restarts}"),
        ("running for", duration(status["updated"] - status["started"])),
        ("stage", f"{status['stage']}{steps or ''}, for {duration(status['stage_seconds'])}"),
        ("rate", rate),
        ("remaining", None if remaining is None or silent else f"about {duration(remaining)} of the solve"),
        ("last sign", f"{duration(silent)} ago" if silent else None),
    ]


def _of_result(result):
    seconds = result["seconds"]
    solve = 0 if result["resumed"] else seconds["solve"]  # of a part of the work only
    return [
        ("fit", _size(result)),
        ("run", f"{result['solver']} on {count(result['ranks'], 'rank')}, {count(result['threads'], 'thread')} each"),
        ("took", duration(seconds["total"])),
        ("rate", f"{result['flops'] / solve / 1e9:.3g} GF/s in the solve of {duration(solve)}" if solve > 0 else None),
        ("peak memory", f"{byte_size(result['peak_memory_bytes'])} on the largest rank"),
        *((name, _relative(_error(result, name.replace(" ", "_")))) for name in ("energy error", "gradient error")),
    ]


def _relative(error):
    return "unknown, for there is nothing to compare with" if error is None else f"{scientific(error)} relative"


def _several(runs):
    rows = [["fit", "state", "samples", "features", "sampler", "seed", "energy error", "gradient error", "time", "remaining", "problem"]]
    for run in runs:
        found = (run["state"] == FINISHED and run["result"]) or {}
        status = run["status"] or {}
        about = found or status
        job = found["job"]["features"] if found else {}
        errors = [scientific(_error(found, name)) if found else "" for name in ("energy_error", "gradient_error")]
        time = duration(found["seconds"]["total"]) if found else ""
        remaining = status.get("remaining_seconds") if run["state"] == RUNNING else None
        rows.append(
            [
                run["directory"],
                run["state"],
                about.get("samples", ""),
                about.get("features", ""),
                job.get("sampler", ""),
                job.get("seed", ""),
                *errors,
                time,
                "" if remaining is None else duration(remaining),
                run["problem"] or "",
            ]
        )
    states = [run["state"] for run in runs]
    summary = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(sorted(states)))
    return f"{columns(rows)}\n\n{count(len(runs), 'fit')}: {summary}"


def _error(result, name):
    return result.get("test", {}).get(name)
