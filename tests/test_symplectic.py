"""The symplectic structure: its sign, and J^-1 as the inverse of J."""

import numpy as np

from hnn_hpc.symplectic import gradient_from_vector_field, vector_field_from_gradient


def test_hamiltons_equations_have_the_sign_of_dq_dt_equal_to_dH_dp():
    np.testing.assert_array_equal(vector_field_from_gradient(np.array([1.0, 2.0, 3.0, 4.0])), [3, 4, -1, -2])


def test_J_and_its_inverse_undo_each_other_bit_by_bit():
    vectors = np.random.default_rng(0).normal(size=(3, 5, 6))
    np.testing.assert_array_equal(gradient_from_vector_field(vector_field_from_gradient(vectors)), vectors)
    np.testing.assert_array_equal(vector_field_from_gradient(gradient_from_vector_field(vectors)), vectors)


def test_J_is_skew_symmetric_so_that_energy_is_conserved():
    u, v = np.random.default_rng(1).normal(size=(2, 8))
    np.testing.assert_allclose(u @ vector_field_from_gradient(v), -v @ vector_field_from_gradient(u), rtol=1e-14)
