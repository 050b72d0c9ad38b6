"""What of the singular values of Ā comes almost for nothing once its triangle is factored (see `factor` for Ā, R̄ and the rank).

The directions that are kept have a triangle of their own, (r, r), whose singular values are those of Ā there: of R̄ itself at full rank, of
the T of the complete orthogonal decomposition otherwise. Up to r = LARGEST they are computed, in some 20 ms of one core for r = 512;
beyond, in place of them, the sizes of the pivots: the diagonal of the pivoted QR, within a small factor of the singular value of the same
number, or at full rank the diagonal of R̄, how much of each column those before it do not make up, whose smallest is at least σ_min.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import LinAlgError, svdvals

SINGULAR_VALUES, PIVOTS = "singular values", "pivots"
LARGEST = 512  # directions of which singular values are computed
MOST_TOLD = 100  # values in a result


class Spectrum(NamedTuple):
    """kind: SINGULAR_VALUES or PIVOTS; values (r,), descending."""

    kind: str
    values: np.ndarray

    def told(self):
        """Return it fit for JSON: at most MOST_TOLD values, evenly spread from the first to the last, with their numbers, from 1 on."""
        numbers = np.unique(np.linspace(1, len(self.values), min(MOST_TOLD, len(self.values)), dtype=int))
        return {"kind": self.kind, "numbers": numbers.tolist(), "values": [float(f"{value:.6g}") for value in self.values[numbers - 1]]}


def spectrum_of(factor):
    """Return the `Spectrum` of the directions that a factor keeps."""
    if 0 < factor.rank <= LARGEST:
        try:
            return Spectrum(SINGULAR_VALUES, svdvals(factor.kept))
        except (LinAlgError, ValueError):  # no convergence; not finite. The answer does not hang on it
            pass
    return Spectrum(PIVOTS, np.sort(factor.pivots)[::-1])


def joined_spectrum(spectra):
    """Return the `Spectrum` of a block-diagonal matrix from those of its blocks: all of their values."""
    kinds = {spectrum.kind for spectrum in spectra}
    values = np.sort(np.concatenate([spectrum.values for spectrum in spectra]))[::-1]
    return Spectrum(SINGULAR_VALUES if kinds == {SINGULAR_VALUES} else PIVOTS, values)
