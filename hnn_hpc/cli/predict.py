"""`hnn-hpc predict MODEL`: rollouts of the learned Hamiltonian against the true one, and how far they can be trusted."""

from fractions import Fraction
from functools import partial

import numpy as np

from hnn_hpc.cli.predict_table import describe
from hnn_hpc.cli.states import parse_state
from hnn_hpc.errors import UserError, look_up
from hnn_hpc.integrators import INTEGRATORS
from hnn_hpc.job import parse_setting
from hnn_hpc.json_text import json_text
from hnn_hpc.models import load_model
from hnn_hpc.prediction import PredictionOptions, energy_starts, predict, uniform_starts
from hnn_hpc.prediction.arguments import check_undamped
from hnn_hpc.prediction.measure import summary
from hnn_hpc.prediction.rollouts import THRESHOLD
from hnn_hpc.provenance import known_system
from hnn_hpc.samples.survey import coordinate_name
from hnn_hpc.storage import check_other_file, check_writable, save_prediction_file, written_beside
from hnn_hpc.systems import SYSTEMS, make_system
from hnn_hpc.values import LARGEST_SEED, finite_number, whole_number

__all__ = ["HELP", "add_arguments", "describe", "run"]

MOST_STEPS, MOST_STARTS = 10**12, 10**6
HELP = "follow a learned Hamiltonian beside the true one: valid time, energy drift, Poincaré section, Lyapunov exponent"


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", help="model file that fit wrote")
    parser.add_argument("--system", metavar="SYSTEM", help=f"the true one; default the one that was learned; of {', '.join(SYSTEMS)}")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="settings",
        metavar="NAME=VALUE",
        help="a parameter of it, or the box of the starts",
    )
    parser.add_argument("--time", type=float, required=True, metavar="T", help="how long to follow; rounded to whole steps")
    parser.add_argument("--time-step", type=float, default=0.05, metavar="H", help="default 0.05")
    parser.add_argument("--start", action="append", default=[], metavar="q1,..,pn", help="start state; once for each")
    parser.add_argument("--starts", type=int, metavar="N", help="or so many, uniform in the box, or of each energy; default 16")
    parser.add_argument("--energy", metavar="E1,E2", help="energies of the starts, on the section, as in 1/12,1/8,1/6")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the starts; default 0")
    parser.add_argument(
        "--section", metavar="COORDINATE", help="of the Poincaré section, where it rises through 0, angles not wrapped; with --energy q1"
    )
    parser.add_argument("--crossings", type=int, default=100, metavar="N", help="of the section, at most; default 100")
    parser.add_argument(
        "--threshold",
        type=float,
        default=THRESHOLD,
        metavar="E",
        help=f"normalized error that ends the valid time, angles not wrapped; default {THRESHOLD}",
    )
    parser.add_argument("--method", default="implicit-midpoint", metavar="METHOD", help=f"of the energy drift; of {', '.join(INTEGRATORS)}")
    parser.add_argument("--drift-steps", type=int, metavar="N", help="of the energy drift; default: as many as the rollouts have")
    parser.add_argument("--output", default="predict.h5", metavar="FILE", help="h5 or json; default predict.h5")
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(arguments, communicator, progress):
    with communicator.together():
        if communicator.is_root:
            look_up(WRITERS, _suffix(arguments.output), "kind of file for --output, by its ending")
            check_other_file(arguments.output, arguments.model)
            check_writable(arguments.output, arguments.force)
        model = load_model(arguments.model)
        check_undamped(model, arguments.model)
        system = _system(arguments, model)
        options = _options(arguments, model.dimension)
        energies = _energies(arguments.energy)
        starts = _starts(arguments, model, system, options, energies)
    found, arrays = predict(model, system, starts, options, communicator, progress)
    result = {
        "file": arguments.output,
        "model": arguments.model,
        "system": system.name,
        "parameters": system.parameters,
        "seed": arguments.seed,
        "time": options.time_step * options.steps,
        "time_step": options.time_step,
        "steps": options.steps,
        "threshold": options.threshold,
        "method": options.method,
        "drift_steps": options.drift_steps or options.steps,
        **found,
        "by_energy": _by_energy(energies, partial(summary, arrays, model, system, options), len(starts)),
    }
    with communicator.together():
        if communicator.is_root:
            WRITERS[_suffix(arguments.output)](arguments.output, arrays, result, arguments.force)
    return result


def _system(arguments, model):
    settings = dict(parse_setting(text) for text in arguments.settings)
    known, box = known_system(model), settings.pop("box", None)
    name = arguments.system or (known and known.name)
    if name is None:
        raise UserError(f"{arguments.model} does not tell which system its samples came from; name it by --system, of {', '.join(SYSTEMS)}")
    parameters = known.parameters if known and known.name == name else {}
    system = make_system(name, parameters | settings, box)
    if system.dimension != model.dimension:
        raise UserError(f"--system {name} has {system.dimension} coordinates, but {arguments.model} has {model.dimension}")
    return system if box is not None else make_system(name, system.parameters, model.domain)


def _options(arguments, dimension):
    time_step, time = finite_number(arguments.time_step, "--time-step"), finite_number(arguments.time, "--time")
    if not 0 < time_step <= time <= MOST_STEPS * time_step:
        raise UserError(f"--time-step {time_step:g} and --time {time:g}: expected a positive step, and from 1 to {MOST_STEPS:,} of them")
    drift_steps = arguments.drift_steps
    if drift_steps is not None:
        whole_number(drift_steps, "--drift-steps", at_least=1, at_most=MOST_STEPS)
    section = arguments.section or ("q1" if arguments.energy else None)
    names = {coordinate_name(index, dimension): index for index in range(dimension)}
    return PredictionOptions(
        time_step=time_step,
        steps=round(time / time_step),
        threshold=finite_number(arguments.threshold, "--threshold"),
        method=arguments.method,
        drift_steps=drift_steps,
        section=None if section is None else look_up(names, section, "coordinate"),
        crossings=whole_number(arguments.crossings, "--crossings", at_least=1),
    )


def _energies(text):
    """Return the list of energies in a text such as "1/12,0.2", or None."""
    if text is None:
        return None
    try:
        energies = [float(Fraction(number)) for number in text.split(",")]
    except (ValueError, ZeroDivisionError, OverflowError):
        raise UserError(f"--energy {text}: expected numbers or fractions with commas between, as in 1/12,1/8,1/6") from None
    return energies


def _starts(arguments, model, system, options, energies):
    """Return the starts (T, D): as given, uniform in the box, or so many of each energy, one energy after the other."""
    if arguments.start and (arguments.starts is not None or energies):
        raise UserError("--start says where to start; leave it out, or else --starts and --energy")
    if arguments.start:
        return np.array([parse_state(text, model.dimension) for text in arguments.start])
    number = whole_number(16 if arguments.starts is None else arguments.starts, "--starts", at_least=1, at_most=MOST_STARTS)
    seed = whole_number(arguments.seed, "--seed", at_least=0, at_most=LARGEST_SEED)
    if energies:
        return np.concatenate([energy_starts(system, energy, number, seed, options.section) for energy in energies])
    return uniform_starts(system.box, number, seed)


def _by_energy(energies, summary_of, starts):
    if energies is None:
        return None
    each = starts // len(energies)
    parts = (slice(index * each, (index + 1) * each) for index in range(len(energies)))
    return [{"energy": energy, **summary_of(selected=part)} for energy, part in zip(energies, parts, strict=True)]


def _write_hdf5(path, arrays, result, force):
    attributes = {name: result[name] for name in ("model", "system", "parameters", "seed")}
    save_prediction_file(path, arrays, attributes | {"summary": result}, force)


def _write_json(path, arrays, result, force):
    with written_beside(path, force) as temporary:
        temporary.write_text(json_text({"summary": result, **arrays}) + "\n", encoding="utf-8")


WRITERS = {"h5": _write_hdf5, "hdf5": _write_hdf5, "json": _write_json}


def _suffix(path):
    return path.rpartition(".")[2].lower()
