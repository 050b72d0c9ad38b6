"""How many of M features each support gets."""

import numpy as np

POWER = 3  # a term of more coordinates needs more features


def shared_out(features, supports):
    """Return how many of `features` each support gets, in proportion to len(support)³.

    Rounded so that their sum is right, the largest remainders up. Each gets one at least where there are as many features as supports.
    """
    weights = np.array([len(support) ** POWER for support in supports], float)
    least = 1 if features >= len(supports) else 0
    exact = least + (features - least * len(supports)) * weights / weights.sum()
    shares = np.floor(exact).astype(int)
    left = np.argsort(shares - exact, kind="stable")[: features - shares.sum()]
    shares[left] += 1
    return shares.tolist()
