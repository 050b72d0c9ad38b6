"""Measure how far a learned Hamiltonian predicts: python tests/benchmarks/prediction_study.py [options]

Fits Hénon and Heiles' system as jobs/henon_heiles.toml does, follows it beside the true one from N starts of each of the energies 1/12,
1/8 and 1/6, on Poincaré sections of 100 crossings, in rollouts and by Lyapunov exponents, and then a regular and a chaotic orbit over 10^6
steps of Störmer and Verlet's method. Prints the bars as Markdown. Seven minutes on one core.
"""

import argparse
import sys
import time

import numpy as np

from hnn_hpc import FitOptions
from hnn_hpc.evaluation import evaluate
from hnn_hpc.parallel.communicator import SerialCommunicator
from hnn_hpc.prediction import PredictionOptions, energy_starts, long_energy_drift, map_starts, predict
from hnn_hpc.prediction.lyapunov import is_chaotic
from hnn_hpc.samples import SystemSamples
from hnn_hpc.storage import load_prediction_file, save_prediction_file
from hnn_hpc.systems import make_system
from hnn_hpc.training import fit_source

SERIAL, SEED, SAMPLES, FEATURES = SerialCommunicator(), 0, 20_000, 2000
SYSTEM = make_system("henon-heiles")
ENERGIES = {"1/12": 1 / 12, "1/8": 1 / 8, "1/6": 1 / 6}
TIME, CROSSINGS = 800.0, 100
DRIFT = {"time_step": 0.05, "method": "stormer-verlet"}


def learned():
    """Return the model and its relative errors on other samples."""
    fit = fit_source(SystemSamples(SYSTEM, SAMPLES, SEED), FitOptions(FEATURES, solver="khatri-rao-qr", seed=SEED), SERIAL)
    return fit.model, evaluate(fit.model, SystemSamples(SYSTEM, SAMPLES, SEED, "test points"), SERIAL)


def followed(model, count, path):
    """Return the arrays of `predict` for so many starts of each energy; write them to a file if there is a path."""
    starts = np.concatenate([energy_starts(SYSTEM, energy, count, SEED) for energy in ENERGIES.values()])
    options = PredictionOptions(time_step=0.1, steps=round(TIME / 0.1), section=0, crossings=CROSSINGS, drift_steps=1000)
    found, arrays = predict(model, SYSTEM, starts, options, SERIAL)
    if path:
        save_prediction_file(path, arrays, {"system": SYSTEM.name, "summary": found})
    return arrays


def row(what, measured, bar="–", kept=None):
    """Return a line of the table, in Markdown; `kept`: whether the bar is."""
    return f"| {what} | {measured}{' (missed)' if kept is False else ''} | {bar} |"


def model_row(errors):
    H, gradient = errors["energy_error"], errors["gradient_error"]
    return row("the model: error of H, ∇H", f"{H:.1e}, {gradient:.1e}", "≤ 1e-10", H <= 1e-10)


def error_row(model, arrays):
    """Return a line of the relative error of ∇H where the orbits are, a small part of the box."""
    points = arrays["section_true"][np.isfinite(arrays["section_true"]).all(axis=-1)]
    gradient = SYSTEM.gradient(points)
    return row(
        "its error of ∇H on the section points", f"{np.linalg.norm(model.gradient(points) - gradient) / np.linalg.norm(gradient):.1e}"
    )


def by_energy(arrays, chaotic):
    """Yield (name of the energy, number of its orbits, which of all are of this energy and chaotic, or regular)."""
    exponents = arrays["exponents"][:, 0]
    is_of_kind = np.isfinite(exponents) & (is_chaotic(exponents, TIME) == chaotic)
    for name, energy in ENERGIES.items():
        of_energy = np.isclose(arrays["energies"], energy, rtol=1e-9)
        if (of_energy & is_of_kind).any():
            yield name, of_energy.sum(), of_energy & is_of_kind


def section_rows(arrays):
    """Return a line for the regular orbits of each energy, and one for the energy of all points."""
    crossings = np.isfinite(arrays["section_true"][..., 0]).sum(axis=1)
    rows = []
    for name, count, which in by_energy(arrays, chaotic=False):
        largest, fewest = arrays["section_distances"][which].max(), crossings[which].min()
        what = f"Poincaré section, E = {name}: {which.sum()} regular of {count} orbits, largest distance of the nth of {fewest} crossings"
        rows.append(row(what, f"{largest:.1e}", "≤ 1e-6", bool(largest <= 1e-6 and fewest == CROSSINGS)))
    energy_error = np.nanmax(np.abs(SYSTEM.energy(arrays["section_true"]) - arrays["energies"][:, None]))
    return [*rows, row("energy error of the true section points", f"{energy_error:.1e}", "≤ 1e-11", bool(energy_error <= 1e-11))]


def valid_rows(arrays):
    """Return lines about valid times and exponents of regular and of chaotic orbits."""
    valid, exponents = arrays["valid_times"], arrays["exponents"]
    rows = []
    for name, _, which in by_energy(arrays, chaotic=False):
        still, error = np.isinf(valid[which]).sum(), arrays["errors"][which, -1].max()
        rows.append(row(f"E = {name}, regular: still valid at t = {TIME:g}; largest error there", f"{still} of {which.sum()}; {error:.1e}"))
    for name, _, which in by_energy(arrays, chaotic=True):
        times, in_lyapunov_times, reference = map(median, (valid, valid * exponents[:, 0], arrays["reference_valid_times"]), 3 * [which])
        what = f"E = {name}, {which.sum()} chaotic orbits, valid time: median, and in Lyapunov times (the true system by two methods)"
        rows.append(row(what, f"{times:.0f}, {in_lyapunov_times:.0f} ({reference:.0f})"))
    for name, _, which in by_energy(arrays, chaotic=True):
        rows.append(
            row(
                f"E = {name}, their Lyapunov exponents: median, true and learned",
                "{:.3f}, {:.3f}".format(*np.median(exponents[which], axis=0)),
            )
        )
    return rows


def median(values, which):
    """Return the median of some values, one of them, for they may be infinite."""
    return np.quantile(values[which], 0.5, method="inverted_cdf")


def drift_starts(arrays):
    """Return the first regular orbit, and the first chaotic one below E = 1/6, where an error of the energy would let it escape."""
    chaotic = is_chaotic(arrays["exponents"][:, 0], TIME) & (arrays["energies"] < 0.16)
    starts = {"a regular": arrays["starts"][0]}
    return starts | ({"a chaotic": arrays["starts"][chaotic.argmax()]} if chaotic.any() else {})


def drift_rows(model, starts, steps):
    """Return a line for each start (name -> state): the largest energy error, and whether it grows."""

    def drift(some):
        return long_energy_drift(model, some, DRIFT["time_step"], steps, DRIFT["method"], [SYSTEM, model])[1]

    rows = []
    for name, errors in zip(starts, map_starts(drift, np.array(list(starts.values())), SERIAL), strict=True):
        quarter = len(errors) // 4
        growth = errors[-quarter:, 1].max() / errors[:quarter, 1].max()
        what = f"energy drift over {steps:.0e} steps of {DRIFT['time_step']}, {name} orbit: of the learned H, of the true H"
        rows.append(row(what, f"{errors[..., 1].max():.1e}, {errors[..., 0].max():.1e}"))
        rows.append(row("its largest error in the last quarter over that in the first", f"{growth:.3f}", "≤ 1.1", bool(growth <= 1.1)))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=8, metavar="N", help="of each energy; default 8")
    parser.add_argument("--drift-steps", type=int, default=10**6, metavar="N", help="default 1 000 000")
    parser.add_argument("--output", metavar="FILE", help="write the arrays of all but the drift here, HDF5")
    parser.add_argument("--read", metavar="FILE", help="take the arrays that --output wrote instead of measuring")
    arguments = parser.parse_args()
    begun = time.perf_counter()
    model, errors = learned()
    if arguments.read:
        arrays, _ = load_prediction_file(arguments.read)
    else:
        arrays = followed(model, arguments.starts, arguments.output)
        print(f"{time.perf_counter() - begun:.0f} s without the long drift", file=sys.stderr, flush=True)
    lines = ["| what | measured | bar |", "|---|---|---|", model_row(errors), error_row(model, arrays)]
    print("\n".join([*lines, *section_rows(arrays), *valid_rows(arrays)]), flush=True)
    print("\n".join(drift_rows(model, drift_starts(arrays), arguments.drift_steps)))
    print(f"{time.perf_counter() - begun:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
