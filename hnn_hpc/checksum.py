"""A checksum of many numbers: each is hashed with its place and the hashes are added up, so it may be computed in parts, in any order."""

import numpy as np

MODULUS = 2**64
# The multipliers and shifts of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), whose output passes for random.
GOLDEN, FIRST, SECOND = (np.uint64(number) for number in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))
CACHED = 2**14  # numbers at a time
STEPS = np.arange(1, CACHED + 1, dtype=np.uint64) * GOLDEN


def checksum(numbers, place):
    """Return Σ hash(number, its place) modulo 2⁶⁴ over an array of float64, C-contiguous, whose first number has the place `place`.

    Two different sets of numbers have the same sum with probability 2⁻⁶⁴.
    """
    bits, total = numbers.reshape(-1).view(np.uint64), 0
    shifted = np.empty(CACHED, dtype=np.uint64)
    for start in range(0, len(bits), CACHED):
        some = bits[start : start + CACHED]
        z = STEPS[: len(some)] + np.uint64((place + start) * int(GOLDEN) % MODULUS)
        z += some
        for shift, factor in ((30, FIRST), (27, SECOND), (31, None)):
            z ^= np.right_shift(z, np.uint64(shift), out=shifted[: len(z)])
            if factor is not None:
                z *= factor
        total += int(z.sum())
    return total % MODULUS
