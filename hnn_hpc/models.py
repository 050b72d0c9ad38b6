"""The trained Hamiltonian: Ĥ(x) = σ(W z(x) + b)·w + c, and its damping γ, with the interface of a known system."""

import numpy as np

from hnn_hpc.errors import UserError, look_up
from hnn_hpc.features import ACTIVATIONS, FeatureMap, coordinates_from_dict
from hnn_hpc.parallel.dask_rows import is_dask_array, map_points
from hnn_hpc.storage import load_model_file, save_model_file
from hnn_hpc.symplectic import vector_field_from_gradient


class HamiltonianModel:
    """Ĥ of D = 2n coordinates x = (q, p) with M features (arXiv 2411.17511, eq. 3), of x itself or of E coordinates z(x) derived from it.

    Parameters
    feature_map     FeatureMap with W (M, E), b (M,), the activation and z
    coefficients    w, shape (M,)
    constant        c; 0 where it is not known, for the data then fix Ĥ only up to a constant
    constant_known  whether c comes from a known H(x0)
    domain          (D, 2), the lower and upper limit of each coordinate in the training data; outside, Ĥ is an extrapolation
    damping         γ (n,) of dx/dt = (J - Γ)∇H, Γ = diag(0, γ); None: there is none
    provenance      dict fit for JSON: samples, options, versions, seeds, certificate, and of a job's model the job
    """

    def __init__(self, feature_map, coefficients, constant, constant_known, domain, provenance=None, damping=None):
        self.feature_map = feature_map
        self.coefficients = coefficients
        self.constant = float(constant)
        self.constant_known = bool(constant_known)
        self.domain = domain
        self.provenance = provenance or {}
        self.damping = damping

    @property
    def weights(self):
        """W, shape (M, E)."""
        return self.feature_map.weights

    @property
    def biases(self):
        """b, shape (M,)."""
        return self.feature_map.biases

    @property
    def dimension(self):
        """D = 2n."""
        return self.feature_map.dimension

    @property
    def dof(self):
        """Degrees of freedom, n."""
        return self.dimension // 2

    def energy(self, x):
        """Return Ĥ(x), shape (...), for x of shape (..., D). Here and below: for a dask array another dask array, not computed yet."""
        if is_dask_array(x):
            return map_points(self.energy, self._checked(x), drops_coordinates=True)
        return self.feature_map.energy(self._points(x), self.coefficients) + self.constant

    def gradient(self, x):
        """Return ∇Ĥ(x) = (∂Ĥ/∂q, ∂Ĥ/∂p), shape (..., D)."""
        if is_dask_array(x):
            return map_points(self.gradient, self._checked(x))
        return self.feature_map.energy_gradient(self._points(x), self.coefficients)

    def vector_field(self, x):
        """Return dx/dt = (J - Γ) ∇Ĥ(x), shape (..., D)."""
        if is_dask_array(x):
            return map_points(self.vector_field, self._checked(x))
        return vector_field_from_gradient(self.gradient(x), self.damping)

    def save(self, path, force=False):
        """Write the model to an HDF5 file, beside `path` first and then renamed; an existing file is replaced only with `force`."""
        arrays = {"weights": self.weights, "biases": self.biases, "coefficients": self.coefficients, "constant": self.constant}
        arrays["damping"] = self.damping
        attributes = {"activation": self.feature_map.activation.name, "constant_known": self.constant_known, "domain": self.domain}
        coordinates = None if self.feature_map.is_plain else self.feature_map.coordinates.as_dict()
        save_model_file(path, arrays, attributes | {"provenance": self.provenance, "coordinates": coordinates}, force)

    def _points(self, x):
        return self._checked(np.asarray(x, dtype=np.float64))

    def _checked(self, x):
        if x.ndim == 0 or x.shape[-1] != self.dimension:
            raise UserError(f"the model has {self.dimension} coordinates, so points must have shape (..., {self.dimension}); got {x.shape}")
        return x


def load_model(path):
    """Return the `HamiltonianModel` that `HamiltonianModel.save` wrote; `UserError` for any other file."""
    arrays, attributes = load_model_file(path)
    activation = look_up(ACTIVATIONS, attributes["activation"], "activation")
    constant_known, domain, provenance = attributes["constant_known"], np.array(attributes["domain"], float), attributes["provenance"]
    coordinates = coordinates_from_dict(len(domain), attributes["coordinates"]) if "coordinates" in attributes else None
    feature_map = FeatureMap(arrays["weights"], arrays["biases"], activation, coordinates)
    about = constant_known, domain, provenance, arrays.get("damping")
    return HamiltonianModel(feature_map, arrays["coefficients"], arrays["constant"], *about)
