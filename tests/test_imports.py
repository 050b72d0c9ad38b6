"""Imports point down, heavy libraries are named in one place each, and importing the package starts none of them."""

import ast
import subprocess
import sys
from pathlib import Path

import hnn_hpc

PACKAGE = Path(hnn_hpc.__file__).parent

# A module imports from lines above its own only; those on one line do not import one another. `hnn_hpc` is the package's __init__.
LAYERS = """
    errors | checksum | connected | symplectic | random_streams | json_text | peak_memory | progress | quantities | version
    values
    systems | features | parallel | tables | graphs
    graph_features | integrators | provenance
    particles
    samples | graph_samples
    operators
    solvers | storage
    basis
    models | options
    graph_model | graph_options
    least_squares
    output_layer | refits
    training | graph_training | evaluation | graph_evaluation | rollout | forecast | prediction
    hnn_hpc
    graph_job
    report | job | generation | importing | benchmark | baselines | run_files | remaining_time
    run_place
    run_status
    run_state
    sample_run | graph_run
    run
    reproduction | submission | run_report
    cli
    __main__
"""
LAYER_OF = {name.strip(): line for line, names in enumerate(LAYERS.strip().splitlines()) for name in names.split("|")}

HEAVY = {
    "h5py": ("storage",),
    "matplotlib": ("report",),
    "petsc4py": ("parallel.petsc", "benchmark.peers"),
    "dask": ("parallel.dask_rows", "parallel.dask_client", "benchmark.peers"),
    "distributed": ("parallel.dask_client",),
    "dask_jobqueue": ("parallel.dask_client",),
    "mpi4py": ("parallel.communicator", "cli"),
    "torch": ("baselines",),
}


def imported_names(tree, module, is_package):
    """Every imported dotted name with its line; `from a import b` gives a.b, relative imports are made absolute."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = module.split(".")[: None if is_package and node.level == 1 else is_package - node.level] if node.level else []
            yield from ((".".join([*parents, *filter(None, [node.module]), alias.name]), node.lineno) for alias in node.names)


def layer_name(dotted, package):
    """The name in LAYERS of a dotted name below hnn_hpc: its second part, or hnn_hpc for what __init__ defines."""
    second = [*dotted.split("."), ""][1]
    return second if any((package / file).is_file() for file in (f"{second}.py", f"{second}/__init__.py")) else "hnn_hpc"


def violations(package):
    """One line of text for each import in the folder `package` that breaks LAYERS or HEAVY."""
    found = []
    for path in sorted(package.rglob("*.py")):
        inside = path.relative_to(package).with_suffix("").parts
        inside = inside[:-1] if inside[-1] == "__init__" else inside
        module, owner = ".".join(("hnn_hpc", *inside)), inside[0] if inside else "hnn_hpc"
        if owner not in LAYER_OF:
            found.append(f"{owner} has no layer")
            continue
        for name, line in imported_names(ast.parse(path.read_text()), module, path.name == "__init__.py"):
            library, where = name.split(".")[0], f"{path.relative_to(package)}:{line}"
            if library == "hnn_hpc":
                target = layer_name(name, package)
                if target != owner and LAYER_OF.get(target, len(LAYER_OF)) >= LAYER_OF[owner]:
                    found.append(f"{where} {owner} imports {target}")
            elif library in HEAVY and not any(f"{'.'.join(inside)}.".startswith(f"{place}.") for place in HEAVY[library]):
                found.append(f"{where} {owner} imports {library}")
    return found


def test_imports_of_the_package_point_down():
    assert violations(PACKAGE) == []


def test_every_broken_rule_is_found(tmp_path):
    sources = {
        "__init__.py": "from hnn_hpc import systems\nimport hnn_hpc.cli",
        "errors.py": "import numpy\nfrom hnn_hpc.models import load_model",
        "models.py": "def f():\n    from mpi4py import MPI",
        "run.py": "from hnn_hpc import __version__\nfrom hnn_hpc import models, cli",
        "wizardry.py": "",
        "systems/__init__.py": "from .base import System\nfrom ..features import pool\nfrom .. import errors",
        "systems/base.py": "from ..models import Model\nimport h5py as h",
        "features/__init__.py": "",
        "features/pool.py": "from ..errors import UserError\nfrom .more import x",
        "storage/deep/file.py": "import h5py\nfrom ...errors import UserError\nfrom ...run import run",
        "parallel/petsc.py": "from petsc4py import PETSc",
        "parallel/petsc_more.py": "import petsc4py.PETSc",
        "storage/__init__.py": "",
        "cli/__init__.py": "import mpi4py\nimport matplotlib.pyplot",
    }
    for name, source in sources.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(source)
    assert violations(tmp_path) == [
        "__init__.py:2 hnn_hpc imports cli",
        "cli/__init__.py:2 cli imports matplotlib",
        "errors.py:2 errors imports models",
        "models.py:2 models imports mpi4py",
        "parallel/petsc_more.py:1 parallel imports petsc4py",
        "run.py:2 run imports cli",
        "storage/deep/file.py:3 storage imports run",
        "systems/__init__.py:2 systems imports features",
        "systems/base.py:1 systems imports models",
        "systems/base.py:2 systems imports h5py",
        "wizardry has no layer",
    ]


def test_importing_the_package_starts_no_heavy_library():
    heavy = sorted({*HEAVY} - {"h5py"})
    command = f"import sys, hnn_hpc; print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True).stdout == "[]\n"
