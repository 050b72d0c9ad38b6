"""The paper's tables, computed again: `hnn-hpc reproduce`.

A case (see `cases`) is a job file and what is published for it. A member is one fit: a case, a sampler, a width M and a seed, which seeds
data and features alike; it lies in a folder of its own (see `members`), and what lies there whole is not computed again (see `results`).

    read_cases ── make_members ── compute (here), or an array of SLURM whose tasks compute shares ── table_rows ── markdown

The figures of a sampler are taken over its seeds: mean, smallest and largest error of H and of ∇H, the median of the training's seconds.
"""

from hnn_hpc.reproduction.array import array_command, run_array, share_arguments
from hnn_hpc.reproduction.cases import COLUMNS, PUBLISHED_FILE, SAMPLER_COLUMNS, read_cases
from hnn_hpc.reproduction.members import PUBLISHED, WIDTHS, make_members, share
from hnn_hpc.reproduction.results import figures_of, is_there, problem_of, remove_results
from hnn_hpc.reproduction.run import compute
from hnn_hpc.reproduction.table import markdown, table_rows

__all__ = [
    "COLUMNS",
    "PUBLISHED",
    "PUBLISHED_FILE",
    "SAMPLER_COLUMNS",
    "WIDTHS",
    "array_command",
    "compute",
    "figures_of",
    "is_there",
    "make_members",
    "markdown",
    "problem_of",
    "read_cases",
    "remove_results",
    "run_array",
    "share",
    "share_arguments",
    "table_rows",
]
