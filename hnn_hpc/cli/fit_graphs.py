"""What `hnn-hpc fit` and `evaluate` tell of graphs."""

from pathlib import Path

from hnn_hpc.basis import AUTO
from hnn_hpc.cli.text import byte_size, count, scientific, table
from hnn_hpc.run_files import MODEL_FILE, RESULT_FILE

LEAST_TOLD = 1e-6  # a share


def describe_graphs(result):
    """Return the table of a result of graphs."""
    seconds, test, predicted, basis = result["seconds"], result["test"], result["predicted"], result["basis"]
    directory = Path(result["job"]["output"]["directory"])
    asked = {"edge_invariants": result["job"]["graph"]["edge_invariants"], "bandwidth": result["job"]["features"]["bandwidth"]}
    origin = {name: _origin(name in basis["searched"], value) for name, value in asked.items()}
    bandwidths = basis["bandwidths"] and ", ".join(f"{value:.3g} {name}" for name, value in basis["bandwidths"].items())
    return table(
        [
            ("graphs", f"{count(result['samples'], 'graph')}, {_sizes(result)} in {result['dimension']} dimensions"),
            ("features", f"{count(result['features'], 'feature')}, {result['sampler']}"),
            ("", ", ".join(f"{features} {name}" for name, features in result["terms"].items())),
            ("bonds by", f"{', '.join(basis['edge_invariants'])}, {origin['edge_invariants']}"),
            ("bandwidth", bandwidths and f"{bandwidths}, {origin['bandwidth']}"),
            ("solver", f"{result['solver']} on {count(result['ranks'], 'rank')}, {count(result['threads'], 'thread')} each"),
            ("resumed", f"{count(result['blocks_taken_over'], 'block')} taken over from a checkpoint" if result["resumed"] else None),
            ("stop reason", f"{result['stop_reason']}, certified"),
            ("residual", f"{scientific(result['relative_residual'])} of the data"),
            ("condition", f"{scientific(result['condition_estimate'])}, numerical rank {result['rank']} of {result['features']}"),
            ("ridge", f"{scientific(result['ridge'])}, {result['effective_dof']:.0f} effective coefficients" if result["ridge"] else None),
            *(errors_told(test, result["constant_known"]) if test["samples"] is not None else [("test", "none")]),
            ("time", ", ".join(f"{stage} {value:.2f} s" for stage, value in seconds.items())),
            ("peak memory", f"{byte_size(result['peak_memory_bytes'])} on the largest rank"),
            ("predicted", f"solve {predicted['seconds']:.2f} s, peak memory {byte_size(predicted['memory_bytes'])}"),
            ("written", directory / MODEL_FILE),
            ("", directory / RESULT_FILE),
        ]
    )


def _origin(is_found, asked):
    """Return in words where invariants or bandwidths come from."""
    return "found" if is_found else "assumed: too few particles for a search" if asked == AUTO else "given"


def errors_told(errors, constants_known):
    """Return the rows of a table that tell errors on graphs, as `graph_evaluation.evaluate_graphs` gives them."""
    energy, outside = errors["energy_error"], errors["outside"]
    up_to = "" if constants_known else ", up to constants, which the model does not know"
    shares = [f"{share:.2g} of the {what}" for what, share in outside.items() if share > LEAST_TOLD]
    return [
        ("test", f"{count(errors['samples'], 'other graph')}, {_sizes(errors)}"),
        ("energy error", "unknown, there are no energies that tell it" if energy is None else f"{scientific(energy)} relative{up_to}"),
        ("gradient error", f"{scientific(errors['gradient_error'])} relative"),
        ("mse", f"{scientific(errors['mse'])} a component of the gradient"),
        ("warning", f"{' and '.join(shares)} lie outside the range of the training data: extrapolation" if shares else None),
    ]


def _sizes(told):
    return f"{count(told['particles'], 'particle')} and {count(told['bonds'], 'bond')}"
