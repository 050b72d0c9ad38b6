"""The trained model of graphs: H as a sum over particles, bonds and neighbourhoods, of any number of them in any arrangement."""

import numpy as np

from hnn_hpc.errors import UserError
from hnn_hpc.graph_features import described, graph_feature_map_from
from hnn_hpc.graphs import kinds_of
from hnn_hpc.storage import load_graph_model_file, save_graph_model_file
from hnn_hpc.values import finite_number


class GraphModel:
    """Ĥ of graphs of particles; the interface is that of `particles.ParticleSystem`.

    feature_map      GraphFeatureMap
    coefficients     (M,)
    constants        {name: energy}: of a bond of each kind, or a particle of each species, as `GraphFeatureMap.constants` names them; what
                     is not there is 0
    constants_known  whether energies told them; else only differences between states of one graph mean anything
    ranges           {"momenta": {species: (least, largest |p|)}, "masses": likewise, "lengths": {kind: (least, largest r)}} of the
                     training data
    dimension        d of their space; the model itself knows none
    provenance       dict fit for JSON: samples, options, versions, seeds, certificate, and of a job's model the job
    """

    def __init__(self, feature_map, coefficients, constants, constants_known, ranges, dimension, provenance=None):
        self.feature_map = feature_map
        self.coefficients = coefficients
        self.constants = constants
        self.constants_known = bool(constants_known)
        self.ranges = ranges
        self.dimension = dimension
        self.provenance = provenance or {}

    @property
    def cutoff(self):
        """The length below which every pair of particles has a bond, and from which on none counts; None: bonds are part of a graph."""
        return self.feature_map.cutoff

    @property
    def reach(self):
        """How many bonds away a particle may act on another's force."""
        return self.feature_map.reach

    def energy(self, graphs):
        """Return Ĥ of each graph, (K,)."""
        return graphs.sums_of_particles(self.energies_of_particles(graphs))

    def energies_of_particles(self, graphs):
        """Return the part of Ĥ that each particle has, (P,): that of a bond half at each end."""
        self._check(graphs)
        energies = self.feature_map.energies_of_particles(graphs, self.coefficients)
        for name, shares in self.feature_map.shares(graphs).items():
            energies += self.constants.get(name, 0.0) * shares
        return energies

    def gradient(self, graphs):
        """Return (∂Ĥ/∂q, ∂Ĥ/∂p), each (P, d)."""
        self._check(graphs)
        return self.feature_map.gradient(graphs, self.coefficients)

    def outside(self, graphs):
        """Return (bonds (E,), particles (P,), counting (E,)), all of bools: whose r is outside the range of the training data, or |p| or
        mass, so that Ĥ is an extrapolation; and which bonds count at all.
        """
        counting = np.ones(len(graphs.bonds), bool) if self.cutoff is None else graphs.bond_lengths < self.cutoff
        sizes = graphs.momentum_sizes
        particles, bonds = np.zeros(graphs.particles, bool), np.zeros(len(graphs.bonds), bool)
        for species, (_, largest) in self.ranges["momenta"].items():  # a particle at rest is in the range of any: T is even in p
            particles |= (graphs.species == species) & (sizes > largest)
        for species, (least, largest) in self.ranges["masses"].items():
            particles |= (graphs.species == species) & ((graphs.masses < least) | (graphs.masses > largest))
        kinds = kinds_of(graphs, np.arange(len(graphs.bonds)))
        for kind, (least, largest) in self.ranges["lengths"].items():
            outside = (graphs.bond_lengths < least) | (graphs.bond_lengths > largest)
            bonds |= counting & outside & (kinds == kind).all(axis=1)
        return bonds, particles, counting

    def save(self, path, force=False):
        """Write the model to an HDF5 file, beside `path` first and then renamed; an existing file is replaced only with `force`."""
        layers = [(layer.weights, layer.biases) for layer in self.feature_map.layers]
        save_graph_model_file(path, layers, self.coefficients, self._described(), force)

    def _described(self):
        return {
            "network": described(self.feature_map),
            "constants": self.constants,
            "constants_known": self.constants_known,
            "ranges": {name: [[key, *limits] for key, limits in ranges.items()] for name, ranges in self.ranges.items()},
            "dimension": self.dimension,
            "provenance": self.provenance,
        }

    def _bonds(self, graphs):
        """Return the numbers of the bonds that count."""
        bonds = np.arange(len(graphs.bonds))
        return bonds if self.cutoff is None else bonds[graphs.bond_lengths < self.cutoff]

    def _check(self, graphs):
        """Raise `UserError` for species and bonds of which the training data had none."""
        known = [term.species for term in self.feature_map.kinetic]
        if not np.isin(graphs.species, known).all():
            unseen = sorted(set(np.unique(graphs.species).tolist()) - set(known))
            raise UserError(f"particles of species {unseen[0]} were not in the training data, which had {known}; train with them")
        if len(known) == 1:
            return
        seen, kinds = {term.kind for term in self.feature_map.pairs}, np.unique(kinds_of(graphs, self._bonds(graphs)), axis=0)
        for kind in map(tuple, kinds.tolist()):
            if kind not in seen:
                raise UserError(f"bonds between species {kind[0]} and {kind[1]} were not in the training data; train with them")


def load_graph_model(path):
    """Return the `GraphModel` that `GraphModel.save` wrote; `UserError` for any other file."""
    layers, coefficients, attributes = load_graph_model_file(path)
    try:
        feature_map = graph_feature_map_from(layers, attributes["network"])
        ranges = {
            **{name: {s: (least, largest) for s, least, largest in attributes["ranges"][name]} for name in ("momenta", "masses")},
            "lengths": {tuple(kind): (least, largest) for kind, least, largest in attributes["ranges"]["lengths"]},
        }
        constants = {name: finite_number(value, name) for name, value in attributes["constants"].items()}
        about = constants, attributes["constants_known"], ranges, attributes["dimension"], attributes["provenance"]
    except UserError as error:
        raise UserError(f"{path}: {error}: train the model again") from None
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: what it says of its network cannot be used ({error!r}): train the model again") from None
    if feature_map.count != len(coefficients):
        raise UserError(f"{path}: {len(coefficients)} coefficients for {feature_map.count} features: train the model again")
    return GraphModel(feature_map, coefficients, *about)
