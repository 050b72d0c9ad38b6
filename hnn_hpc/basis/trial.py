"""Small least-squares problems on some of the samples, by which a basis is judged: fitted on one half, scored on the other.

Everything here is in energy units and without dimensions otherwise: the rows of the gradient are multiplied by h, half the width of the
data's box along each coordinate, so that all coordinates count alike whatever their units. The unit of energy is a power of two such that
the largest gradient is near 1, for squares of squares must be numbers.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.linalg import cho_solve, solveh_banded

from hnn_hpc.connected import connected
from hnn_hpc.features import ACTIVATIONS, anchored_parameters, feature_scales
from hnn_hpc.solvers.factor import factor_of
from hnn_hpc.solvers.front import elimination_order, merge_groups

RCOND = 1e-15  # as the default of a fit
# Of the normal equations, relative to their diagonal: keeps their Cholesky factor safe; the fits stay good to about 1e-6.
REGULARIZATION = 1e-13
RIDGE = 1e-9  # the same where a few features are fitted to a residual
SMALLEST_SQUARE = 1e-280  # of a column that is none
CUT = 0.99  # quantile of |values| at which `z_score` cuts them back
FEW_FEATURES = 300  # whose QR costs next to nothing


@dataclass(frozen=True, eq=False)
class TrialSamples:
    """Some samples, ready for trial fits.

    z            (N, E), the points in the coordinates of the features
    jacobian     (N, nnz), the values of dz/dx times h: see `Coordinates.jacobian`
    gradients    (N, D), h ∂H/∂x in units that make the largest of them near 1
    coordinates  Coordinates, D → E
    scales       (E,), half the width of the data along each column of z
    activation   Activation
    """

    z: np.ndarray
    jacobian: np.ndarray
    gradients: np.ndarray
    coordinates: object
    scales: np.ndarray
    activation: object

    def __len__(self):
        return len(self.z)

    def first(self, count):
        """Return the first so many of the samples."""
        return TrialSamples(self.z[:count], self.jacobian[:count], self.gradients[:count], self.coordinates, self.scales, self.activation)


def trial_halves(pool, coordinates, activation, count, rng):
    """Return two `TrialSamples` without a sample in common, of at most `count` each, drawn from the pool."""
    drawn = rng.permutation(len(pool.points))[: 2 * count]
    scales = feature_scales(pool, coordinates)
    gradients = pool.gradients[drawn] * pool.half_widths
    gradients /= np.ldexp(1.0, np.frexp(np.abs(gradients).max())[1])
    middle, halves = len(drawn) // 2, []
    for half in (slice(middle), slice(middle, None)):
        x = pool.points[drawn[half]]
        jacobian = coordinates.jacobian(x) * pool.half_widths[coordinates.entry_coordinates]
        halves.append(TrialSamples(coordinates.embed(x), jacobian, gradients[half], coordinates, scales, ACTIVATIONS[activation]))
    return halves


@dataclass(frozen=True, eq=False)
class TrialFeatures:
    """Features on one support: weights (q, columns of the support), biases (q,)."""

    support: tuple
    weights: np.ndarray
    biases: np.ndarray

    @property
    def count(self):
        return len(self.weights)


def draw_features(samples, support, count, bandwidths, rng):
    """Return `count` anchored `TrialFeatures` on a support (tuple of units); bandwidths: (U,) of all units, or (count, len(support))."""
    coordinates, bandwidths = samples.coordinates, np.asarray(bandwidths)
    columns = coordinates.columns_of(support)
    g = bandwidths[np.array(support)] if bandwidths.ndim == 1 else bandwidths
    g = g[..., np.repeat(np.arange(len(support)), [len(coordinates.columns[unit]) for unit in support])]
    return TrialFeatures(support, *anchored_parameters(samples.z[:, columns], samples.scales[columns], g, count, rng))


def touched_by(coordinates, support):
    """Return the x-coordinates that a support depends on, sorted, as an array."""
    return np.unique(np.concatenate([coordinates.touched[unit] for unit in support]))


def gradient_rows(samples, features, touched=None):
    """Return h ∂φ/∂x of features, (N, |touched|, q), along the coordinates `touched`: all that their support depends on, or more."""
    coordinates = samples.coordinates
    columns = coordinates.columns_of(features.support)
    touched = touched_by(coordinates, features.support) if touched is None else touched
    z = samples.z[:, columns] @ features.weights.T
    z += features.biases
    S = samples.activation.derivative(z, out=z)
    rows = np.zeros((len(samples), len(touched), features.count))
    for column, weights in zip(columns.tolist(), features.weights.T, strict=True):
        for entry, x in coordinates.entries_by_column[column]:
            rows[:, np.searchsorted(touched, x)] += samples.jacobian[:, entry, None] * weights * S
    return rows


def reduction(rows, residual, held_rows, held_residual):
    """Return (gain (N',), overfit) of `rows` (N, X, q) that are fitted to `residual` (N, X).

    gain: by how much ‖residual‖² of each held sample falls. overfit: what of that is lost on average because the fit follows the noise of
    the samples: about σ² X p / (N X - p) for p coefficients that the data decide, σ² being what is left a row.
    """
    A, (N, X, q) = rows.reshape(-1, rows.shape[2]), rows.shape
    gram, ridge = A.T @ A, RIDGE * rows.shape[2]
    scale = 1 / np.sqrt(np.maximum(gram.diagonal(), SMALLEST_SQUARE))
    gram *= scale
    gram *= scale[:, None]
    gram[np.diag_indices_from(gram)] += ridge
    L = np.linalg.cholesky(gram)
    c = scale * cho_solve((L, True), scale * (A.T @ residual.ravel()), check_finite=False)
    left, held_left = residual - rows @ c, held_residual - held_rows @ c
    gain = np.einsum("nx,nx->n", held_residual, held_residual) - np.einsum("nx,nx->n", held_left, held_left)
    p = q - ridge * np.sum(np.linalg.inv(L) ** 2)
    free = max(N * X - p, 1)
    return gain, float(np.vdot(left, left) / free * X * p / free)


class SumOfTerms:
    """H as a sum of features on several supports, fitted in parts that share no coordinate.

    Accurately where a part has few features, and else by normal equations, good to about 1e-6 of ∇H.
    """

    def __init__(self, samples, held):
        self._halves = samples, held
        self._terms = {}  # by support: (touched, rows of the samples, rows of those held)
        self._coefficients = {}

    def add(self, features):
        """Add the features of one more term."""
        touched = touched_by(self._halves[0].coordinates, features.support)
        self._terms[features.support] = touched, *(gradient_rows(samples, features, touched) for samples in self._halves)

    def remove(self, support):
        """Take the term of a support away."""
        del self._terms[support]

    def residuals(self):
        """Return what a fit on the samples leaves of h ∂H/∂x, there and on those held: (N, D), (N', D).

        Terms that share no coordinate, directly or by others, are fitted by themselves.
        """
        residuals, supports = [samples.gradients.copy() for samples in self._halves], list(self._terms)
        for some in connected([self._terms[support][0] for support in supports]):
            self._fit([supports[number] for number in some])
        for support in supports:
            touched = self._terms[support][0]
            for residual, part in zip(residuals, self.contributions(support), strict=True):
                residual[:, touched] -= part
        return residuals

    def contributions(self, support):
        """Return the part of the latest fit that is a term's, on the samples and on those held: (N, touched), (N', touched)."""
        _, *rows = self._terms[support]
        return [of_half @ self._coefficients[support] for of_half in rows]

    def residuals_without(self, support, residuals):
        """Return the `residuals` of the latest fit along what a support touches, had its term been left out: (N, touched), (N', touched).

        The terms that share a coordinate with it, and could stand in for it, are fitted again; all others stay as they are.
        """
        touched = self._terms[support][0]
        near = [other for other in self._terms if other != support and np.intersect1d(self._terms[other][0], touched).size]
        region = np.unique(np.concatenate([self._terms[some][0] for some in (support, *near)]))
        places = {some: np.searchsorted(region, self._terms[some][0]) for some in (support, *near)}
        left = [residual[:, region] for residual in residuals]
        for some in (support, *near):
            for r, part in zip(left, self.contributions(some), strict=True):
                r[:, places[some]] += part
        if near:
            coefficients = _fitted([(places[other], self._terms[other][1]) for other in near], left[0])
            for other, c in zip(near, coefficients, strict=True):
                for r, rows in zip(left, self._terms[other][1:], strict=True):
                    r[:, places[other]] -= rows @ c
        return [r[:, places[support]] for r in left]

    def _fit(self, supports):
        """Fit the terms of some supports together."""
        coefficients = _fitted([self._terms[support][:2] for support in supports], self._halves[0].gradients)
        self._coefficients.update(zip(supports, coefficients, strict=True))


def _fitted(rows, gradients):
    """Return the coefficients (q,) of each of some terms (touched, rows (N, X, q)) that are fitted together, a list of them."""
    counts = [of_term.shape[2] for _, of_term in rows]
    fit = _accurate_fit if sum(counts) <= FEW_FEATURES else _quick_fit
    return np.split(fit(rows, gradients, sum(counts)), np.cumsum(counts)[:-1])


def _by_coordinate(terms):
    """Yield (x, numbers of the features that depend on it, their rows (N, features) along it) for terms (touched, rows (N, X, q))."""
    places, start = {}, 0
    for touched, rows in terms:
        for at, x in enumerate(touched.tolist()):
            places.setdefault(x, []).append((start, rows[:, at]))
        start += rows.shape[2]
    for x, blocks in places.items():
        columns = np.concatenate([np.arange(first, first + A.shape[1]) for first, A in blocks])
        yield x, columns, np.concatenate([A for _, A in blocks], axis=1)


def _quick_fit(rows, gradients, count):
    """Return the coefficients (count,) of terms (touched, rows (N, X, q)) by normal equations.

    In the order of elimination AᵀA has a band, narrow where terms hang together as in a chain; its factor costs O(count · band²) flops.
    """
    coordinates = [(columns, A, gradients[:, x]) for x, columns, A in _by_coordinate(rows)]
    touches = np.zeros((count, len(coordinates)), bool)
    for number, (columns, _, _) in enumerate(coordinates):
        touches[columns, number] = True
    place = np.argsort(elimination_order(touches)[1])
    width = max(np.ptp(place[columns]) for columns, _, _ in coordinates) + 1
    band, right = np.zeros((width, count)), np.zeros(count)  # band[i - j, j] is entry (i, j), i >= j
    for columns, A, f in coordinates:
        below = place[columns][:, None] - place[columns]
        lower = below >= 0
        band[below[lower], np.broadcast_to(place[columns], below.shape)[lower]] += (A.T @ A)[lower]
        right[place[columns]] += A.T @ f
    scale = 1 / np.sqrt(np.maximum(band[0], SMALLEST_SQUARE))
    for distance in range(width):
        band[distance, : count - distance] *= scale[distance:] * scale[: count - distance]
    band[0] += REGULARIZATION * count
    return (scale * solveh_banded(band, scale * right, overwrite_ab=True, lower=True, check_finite=False))[place]


def _accurate_fit(rows, gradients, count):
    """The same by QR: the rows along each coordinate to a triangle over the features that touch it, and all triangles to one."""
    columns, triangles = [], []
    for x, some, A in _by_coordinate(rows):
        A = np.column_stack([A, gradients[:, x]])
        columns.append(some)
        triangles.append(np.linalg.qr(A, mode="r") if len(A) > A.shape[1] else A)
    R, order = merge_groups(columns, triangles, count)
    factor = factor_of(R[:count, :count], RCOND)
    c = np.empty(count)
    c[order] = factor.basis(factor.project(R[:count, count])) / factor.column_norms
    return c


def z_score(values):
    """Return mean / (sd / √N) of values (N,), the largest cut back; 0 where all are alike."""
    limit = np.quantile(np.abs(values), CUT)
    cut = np.clip(values, -limit, limit)
    spread = cut.std()
    return float(cut.mean() / spread * sqrt(len(cut))) if spread else 0.0


def trial_error(samples, held, terms, rows_of):
    """Return ‖residual‖/‖h ∂H/∂x‖ on the held samples, along the coordinates rows_of, of an accurate fit of all the terms together."""
    rows, held_rows = ([(touched_by(half.coordinates, t.support), gradient_rows(half, t)) for t in terms] for half in (samples, held))
    c = _accurate_fit(rows, samples.gradients, sum(features.count for features in terms))
    residual = held.gradients.copy()
    for x, columns, A in _by_coordinate(held_rows):
        residual[:, x] -= A @ c[columns]
    size = np.linalg.norm(held.gradients[:, rows_of])
    return float(np.linalg.norm(residual[:, rows_of]) / size) if size else 0.0
