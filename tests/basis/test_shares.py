"""How features are shared out: sums, least shares, proportions."""

import numpy as np
import pytest

from hnn_hpc.basis.shares import shared_out


def test_shares_sum_up_and_leave_nobody_without(rng):
    for _ in range(300):
        supports = [tuple(range(rng.integers(1, 7))) for _ in range(rng.integers(1, 30))]
        features = int(rng.integers(len(supports), 5000))
        shares = shared_out(features, supports)
        assert sum(shares) == features and min(shares) >= 1
        assert all(isinstance(share, int) for share in shares)
        cubes = np.array([len(support) ** 3 for support in supports])
        exact = 1 + (features - len(supports)) * cubes / cubes.sum()
        assert np.abs(shares - exact).max() < 1
        for a, b in zip(shares, supports, strict=True):
            assert all(a <= other or len(b) >= len(s) for other, s in zip(shares, supports, strict=True))  # larger terms have no fewer


@pytest.mark.parametrize(
    "features, supports, shares",
    [
        (9, [(0,), (1, 2)], [2, 7]),  # 1 + 7/9 and 1 + 56/9
        (10, [(0,), (1,), (2,)], [4, 3, 3]),  # of equal remainders the first is rounded up
        (3, [(0, 1, 2), (3,), (4,)], [1, 1, 1]),
        (7, [(5, 2)], [7]),
        (2, [(0,), (1, 2), (3,)], [0, 2, 0]),  # too few for all: the largest parts of 0.2, 1.6, 0.2
    ],
)
def test_shares_by_hand(features, supports, shares):
    assert shared_out(features, supports) == shares


def test_shares_follow_their_supports(rng):
    supports = [(0,), (1, 2), (3, 4, 5), (6, 7)]
    order = rng.permutation(4)
    shares = shared_out(997, supports)
    assert shared_out(997, [supports[at] for at in order])[int(np.flatnonzero(order == 2)[0])] == shares[2]
    assert shared_out(1000, supports * 100)[:4] == shared_out(1000, supports * 100)[4:8]
