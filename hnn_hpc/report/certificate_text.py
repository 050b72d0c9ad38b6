"""What the figures of a certificate mean, each in one sentence for somebody who has not met them."""

from hnn_hpc.quantities import scientific


def certificate_rows(result):
    """Return rows (name, value, meaning) of the certificate in a result."""
    features, rank = result["features"], result["rank"]
    rows = [
        ("certified", "yes" if result["certified"] else "no", _CERTIFIED[bool(result["certified"])]),
        (
            "backward error",
            scientific(result["backward_error"]),
            "The matrix would have to be changed by this much, relative to its size, for the "
            "answer to be exactly right; rounding alone makes some 1e-16, and up to 1e-13, or rcond if that is larger, is accepted.",
        ),
        (
            "relative residual",
            scientific(result["relative_residual"]),
            "What the features leave unexplained of the data they were fitted to; it says how "
            "well the model fits, while the other figures say how well the fit was computed.",
        ),
        (
            "normal residual",
            scientific(result["normal_residual"]),
            "How much of what is left the features could still reach; where next to nothing is "
            "left, as after an almost perfect fit, this compares rounding with rounding and may be large.",
        ),
        (
            "condition",
            scientific(result["condition_estimate"]),
            "How much alike the features are: the larger, the more a small change of the data can "
            "change the coefficients, much more than the learned energy.",
        ),
        ("numerical rank", f"{rank} of {features}", _rank(rank, features, result["job"]["solver"].get("rcond"))),
        ("stop reason", result["stop_reason"], _STOP.get(result["stop_reason"], "How the solver ended.")),
    ]
    if result["ridge"]:
        rows.append(
            ("ridge", scientific(result["ridge"]), "Coefficients are held small by this much, so that noise in the data is not learned.")
        )
        rows.append(
            (
                "effective coefficients",
                f"{result['effective_dof']:.1f}",
                "How many coefficients the data decide; the ridge decides the rest.",
            )
        )
    rows.append(
        (
            "noise level",
            scientific(result["noise_level"]),
            "The noise of the velocities, if all that the model leaves unexplained is noise, in their units.",
        )
    )
    if result["iterations"]:
        rows.append(
            (
                "iterations",
                str(result["iterations"]),
                "Steps that the iterative solver took from its first answer, a very good one as a rule.",
            )
        )
    return rows


_CERTIFIED = {
    True: "The answer was checked with the data themselves after the solve, and is as good as the arithmetic allows.",
    False: "The check after the solve failed: do not trust the coefficients.",
}
_STOP = {
    "converged": "All features are told apart by the data.",
    "rank-deficient": "Converged on the directions that the data tell apart; among all answers that fit as well the shortest was taken.",
}


def _rank(rank, features, rcond):
    if rank == features:
        return "All combinations of the features are told apart by the data."
    return (
        f"So many combinations of the features are told apart in double precision; the other {features - rank}, below "
        f"{'rcond' if rcond is None else f'{rcond:g}'} of the largest, were left out. Smooth features look alike, so this is no fault."
    )
