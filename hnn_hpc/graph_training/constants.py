"""The constants of H that no gradient tells: from the energies of the data."""

import numpy as np

from hnn_hpc.graph_features import MASS_PRODUCT

NEAR_CUTOFF = 0.9  # of it: bonds as long as that tell V near the cutoff, where it is 0


def energy_constants(feature_map, coefficients, own, source, pool, layout, communicator):
    """Return ({name: constant}, known): those that `GraphFeatureMap.constants` names, and whether H is known with them. Collective.

    By least squares from the energies of all graphs; of constants that those do not tell apart the smallest, and none without energies.
    Where features depend on the product of the masses, no constant stands for what V gains by that alone, and a cutoff must tell it;
    which it does where bonds of every kind come near it.
    """
    names, cutoff = feature_map.constants, source.cutoff
    by_masses = MASS_PRODUCT in feature_map.pairs[0].invariants.names
    is_told = not by_masses if cutoff is None else all(longest >= NEAR_CUTOFF * cutoff for _, longest in pool.lengths.values())
    if not (source.has_energies and names):
        return {}, is_told and not names
    parts = []
    with communicator.together():
        offsets = source.offsets
        first = np.searchsorted(offsets, own.first)
        for block in layout.owned_blocks(communicator.rank, communicator.size):  # the last bits depend on what is computed together
            start, stop = np.searchsorted(offsets, layout.bounds(block)) - first
            seen = own.samples.graphs.run(start, stop)
            learned = seen.sums_of_particles(feature_map.energies_of_particles(seen, coefficients))
            parts.append((feature_map.sizes(seen), own.samples.energies[start:stop] - learned))
    gathered = [part for of_rank in communicator.all_gather(parts) for part in of_rank]
    sizes, left = (np.concatenate(column) for column in zip(*gathered, strict=True))
    values, _, rank, _ = np.linalg.lstsq(sizes, left, rcond=None)
    return dict(zip(names, map(float, values), strict=True)), is_told and rank == len(names)
