"""Samples, models, predictions and checkpoints as HDF5 files. Nothing else in the package imports h5py.

Samples: K points x = (q1..qn, p1..pn) of D = 2n coordinates, or T trajectories of N steps each, then K = T N.

    /points        (K, D)        /trajectories  (T, N, D)
    /velocities    (K, D)        /velocities    (T, N, D)     dx/dt; without them rows are made of pairs of consecutive states
    /energies      (K,)          /energies      (T, N)        H(x), optional
                                 /time_step     ()            between two steps of a trajectory; optional with velocities

    Any real or integer type is read as float64. These datasets are enough; a file may say more by attributes of its root:
    system, parameters, box, seed, units      where the samples come from; model and method, of simulated ones
    reference_point (D,), reference_energy    x0 and H(x0), which fix the constant of H

A model H(x) = coefficients . activation(weights z(x) + biases) + constant, of M features:

    /weights (M, E)   /biases (M,)   /coefficients (M,)   /constant ()
    /damping (n,)     γ of dx/dt = (J - Γ)∇H, Γ = diag(0, γ); only where it was fitted
    and the attributes activation (its name), constant_known, domain (D, 2), the box of the training data, lower and upper limit of each
    coordinate, provenance (samples, options, versions, seeds, certificate of the solve, job), and any other. Where z is not x itself, with
    E = D, the attribute coordinates tells of it: angles, differences and distances, by names (see `features.coordinates`).

A file of predictions holds the arrays that `prediction.predict` returns, under their names, /starts (T, D) among them, and the attributes
model, system, parameters, seed and summary.

A file of K graphs with P particles and E bonds in d dimensions holds

    /positions (P, d)   /momenta (P, d)   /masses (P,)   /species (P,)   one graph after the other; masses are 1 and species 0 if missing
    /particle_offsets (K + 1,)     the particles of graph k are those from offset k to offset k + 1; missing: one graph
    /bonds (E, 2)   /bond_offsets (K + 1,)     likewise; the numbers of the particles of a bond count from the first of its graph
    /shifts (E, d)  what is added to q_j - q_i, whole periods of the box; missing: 0
    /boxes (K, d)   the period of each graph along each axis, inf where it is open; missing: open
    /velocities (P, d)   /forces (P, d)     dq/dt and dp/dt, which a fit and a test need
    /energies (K,)  where they are known

and the attribute cutoff in place of bonds where all pairs nearer than that have one. A file of a model of graphs holds /layers/n/weights
(M_n, U_n), /layers/n/biases (M_n,), /coefficients (M,) and the attributes network, constants, constants_known, ranges, dimension and
provenance.

A checkpoint is a directory of files with one array each (see `checkpoint` and `checkpoint_file`).

All kinds carry the attributes format_version (1) and kind (a key of `schema.KINDS`), and those of phase space dof (n) and ordering
("q1..qn,p1..pn"). Text, numbers and arrays are attributes as they are, dictionaries are JSON text. Files are written beside their target
and then renamed, so that a file under its final name is whole.
"""

from hnn_hpc.storage.atomic import check_other_file, check_writable, scratch_file, written_beside
from hnn_hpc.storage.checkpoint import Checkpoint, saved_blocks
from hnn_hpc.storage.graph_file import GraphFile, save_graph_file
from hnn_hpc.storage.graph_model_file import holds_graphs, load_graph_model_file, save_graph_model_file
from hnn_hpc.storage.info import describe
from hnn_hpc.storage.model_file import load_model_file, save_model_file
from hnn_hpc.storage.prediction_file import load_prediction_file, save_prediction_file
from hnn_hpc.storage.samples import SampleFile, SampleFileWriter, open_samples

__all__ = [
    "Checkpoint",
    "GraphFile",
    "SampleFile",
    "SampleFileWriter",
    "check_other_file",
    "check_writable",
    "describe",
    "holds_graphs",
    "load_graph_model_file",
    "load_model_file",
    "load_prediction_file",
    "open_samples",
    "save_graph_file",
    "save_graph_model_file",
    "save_model_file",
    "save_prediction_file",
    "saved_blocks",
    "scratch_file",
    "written_beside",
]
