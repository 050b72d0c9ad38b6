"""`hnn-hpc figure MODEL`: a picture of the learned energy, beside the true one where the system is known, or of what interacts in it."""

from hnn_hpc.cli.text import count, table
from hnn_hpc.errors import UserError, look_up
from hnn_hpc.models import load_model
from hnn_hpc.provenance import known_system
from hnn_hpc.report.figures import check_figure_path, draw_energy
from hnn_hpc.report.interaction_figure import draw_interactions, interaction_graph
from hnn_hpc.samples.survey import coordinate_name
from hnn_hpc.storage import check_writable

HELP = "draw the learned energy on a plane of two coordinates, or which coordinates interact"


def add_arguments(parser):
    parser.add_argument("model", metavar="MODEL", help="model file that fit wrote")
    parser.add_argument("--output", required=True, metavar="FILE", help="svg, png or pdf")
    parser.add_argument(
        "--plane", metavar="X,Y", help="coordinates along the axes, as in q1,p1; default q1,q2, or q1,p1 of one degree of freedom"
    )
    parser.add_argument("--interactions", action="store_true", help="draw which coordinates interact, as the fit found or was told")
    parser.add_argument("--force", action="store_true", help="replace an existing file")


def run(arguments, communicator, progress):
    with communicator.together():
        result = _figure(arguments) if communicator.is_root else None
    return communicator.broadcast(result)


def _figure(arguments):
    check_figure_path(arguments.output)
    check_writable(arguments.output, arguments.force)
    if arguments.interactions and arguments.plane is not None:
        raise UserError(f"--plane {arguments.plane} is for the picture of the energy, not for --interactions; leave one of them out")
    model = load_model(arguments.model)
    return _interactions(arguments, model) if arguments.interactions else _energy(arguments, model)


def _interactions(arguments, model):
    graph = interaction_graph(model)
    if graph is None:
        raise UserError(
            f"{arguments.model} does not tell which coordinates its features depend on, so there are no interactions to draw: expected a "
            "model that this version has fitted with the sampler 'anchored'"
        )
    draw_interactions(arguments.output, graph, arguments.force)
    names = graph.coordinates.names
    return {"file": arguments.output, "coordinates": len(names), "interactions": [[names[a], names[b]] for a, b in graph.pairs]}


def _energy(arguments, model):
    indices = {coordinate_name(index, model.dimension): index for index in range(model.dimension)}
    names = list(indices)
    plane = arguments.plane.split(",") if arguments.plane else names[:2]
    axes = [look_up(indices, name, "coordinate") for name in plane]
    if len(set(axes)) != 2:
        raise UserError(
            f"--plane {arguments.plane}: expected two different coordinates with a comma between, such as {','.join(names[:2])}"
        )
    system = known_system(model)
    draw_energy(arguments.output, model, system, axes, names, arguments.force)
    return {"file": arguments.output, "plane": plane, "system": system and system.name}


def describe(result):
    if "interactions" in result:
        pairs, coordinates = len(result["interactions"]), count(result["coordinates"], "coordinate")
        return table([("written", result["file"]), ("interactions", f"{count(pairs, 'pair')} of {coordinates}")])
    return table([("written", result["file"]), ("plane", ", ".join(result["plane"])), ("true energy", result["system"] or "not known")])
