"""`hnn-hpc evaluate MODEL SAMPLES`: how far a model is from samples, or a model of graphs from graphs."""

from hnn_hpc.cli.fit_graphs import errors_told
from hnn_hpc.cli.text import count, scientific, table
from hnn_hpc.evaluation import evaluate
from hnn_hpc.graph_evaluation import evaluate_graphs
from hnn_hpc.graph_model import load_graph_model
from hnn_hpc.models import load_model
from hnn_hpc.storage import GraphFile, holds_graphs, open_samples

HELP = "measure a model's relative L2 errors of H and of its gradient on samples"


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", help="model file that fit wrote")
    parser.add_argument("samples", metavar="SAMPLES", help="HDF5 file of samples, or of graphs")


def run(arguments, communicator, progress):
    with communicator.together():
        of_graphs = holds_graphs(arguments.model)
        if of_graphs:
            model, source = load_graph_model(arguments.model), GraphFile(arguments.samples)
        else:
            model, source = load_model(arguments.model), open_samples(arguments.samples)
    if of_graphs:
        errors = evaluate_graphs(model, source, communicator, progress)
        return {"samples": errors["graphs"]} | errors | {"constant_known": model.constants_known}
    return evaluate(model, source, communicator, progress) | {"constant_known": model.constant_known}


def describe(result):
    if "graphs" in result:
        return table(errors_told(result, result["constant_known"]))
    up_to = "" if result["constant_known"] else ", up to its constant, which the model does not know"
    return table(
        [
            ("samples", count(result["samples"], "sample")),
            (
                "energy error",
                scientific(result["energy_error"]) + up_to if result["energy_error"] is not None else "no energies at the rows of the file",
            ),
            ("gradient error", scientific(result["gradient_error"])),
        ]
    )
