"""One measurement, in a process of its own: python -m hnn_hpc.benchmark.measure '{"peer": …}' prints its result as JSON, last line.

What to measure (a dictionary): "peer", a name in PEERS, in SOLVERS, or DGEMM; "problem", the fields of `Problem`; "options" of
`FitOptions` for our own solvers; "iterations", the most that an iterative peer may make; "ranks", that mpirun started; "order" of DGEMM.
"""

import json
import sys
import time
import traceback
from importlib import import_module

import numpy as np

from hnn_hpc.benchmark.own import fitted, solved
from hnn_hpc.benchmark.peers import PEERS
from hnn_hpc.benchmark.problem import VARIATIONS, Problem, assembled, digest, errors_of, hidden_layer
from hnn_hpc.errors import HnnError
from hnn_hpc.json_text import json_text
from hnn_hpc.operators import GradientOperator
from hnn_hpc.parallel.communicator import SerialCommunicator, world_communicator
from hnn_hpc.peak_memory import peak_memory_bytes

DGEMM = "dgemm"


def measure(what, communicator):
    """Return the result of one run, a dictionary of plain values on rank 0 and None on the others. Collective.

    "status" is "ok", "refused" (by this program, with the "reason") or "not finite"; besides there are "seconds", "peak_memory_bytes",
    "digest" of the problem, the errors (see `problem.errors_of`), and what the solver tells.
    """
    if what["peer"] == DGEMM:
        return {"status": "ok", "flops_per_second": dgemm_rate(what["order"])}
    problem = Problem(**what["problem"])
    source = problem.training_samples()
    try:
        feature_map, domain, coefficients, record = _answer(what, problem, source, communicator)
    except HnnError as error:
        return {"status": "refused", "reason": str(error)} if communicator.is_root else None
    if not communicator.is_root:
        return None
    record |= {"digest": digest(feature_map, source)}
    if not np.isfinite(coefficients).all():
        return {"status": "not finite", "reason": "its coefficients are not finite numbers", **record}
    return {"status": "ok", **record, **errors_of(problem, source, feature_map, coefficients, domain)}


def _answer(what, problem, source, communicator):
    """Return (feature map, domain (D, 2), w (M,), record) of a peer or of our own solver."""
    varied = VARIATIONS[problem.variation] is not None
    if what["peer"] in PEERS or varied:
        feature_map, domain = hidden_layer(problem, source)
    if what["peer"] in PEERS:
        peer = PEERS[what["peer"]]
        for module in peer.modules:
            import_module(module)
        A, f = assembled(GradientOperator(feature_map, source))
        start = time.perf_counter()
        coefficients, record = peer.solve(A, f, what["iterations"])
        record |= {"seconds": time.perf_counter() - start, "peak_memory_bytes": peak_memory_bytes()}
        return feature_map, domain, coefficients, record
    if varied:
        return feature_map, domain, *solved(feature_map, source, what["peer"], communicator)
    feature_map, coefficients, record = fitted(problem, source, what["peer"], what["options"], communicator)
    return feature_map, None, coefficients, record


def dgemm_rate(order):
    """Return the flops a second of numpy's matrix product with all its threads, the best of three after one to warm up."""
    A = np.random.default_rng(0).standard_normal((order, order))
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        A @ A
        seconds.append(time.perf_counter() - start)
    return 2 * order**3 / min(seconds[1:])


def main(text):
    """Measure what the JSON text says and print the result. A failure on one rank alone ends the others, which wait for it."""
    what = json.loads(text)
    communicator = world_communicator() if what["ranks"] > 1 else SerialCommunicator()
    try:
        result = measure(what, communicator)
    except Exception:
        traceback.print_exc()
        sys.stderr.flush()
        communicator.abort(1)
    if result is not None:
        print(json_text(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
