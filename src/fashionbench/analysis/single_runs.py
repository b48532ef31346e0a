"""What those conclude who train each network once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fashionbench.analysis.conditions import DIGITS, Comparison, Condition

Judged = Sequence[tuple[Condition, Comparison]]


def share_of_pairs(judged: Judged) -> float | None:
    """Return in which share of all combinations of runs all comparisons lie within their bounds.

    A combination takes one run of every network, whatever their seeds: n runs of each of two
    networks make n² pairs. With more networks, one of them must take part in every comparison of
    two (as in "N5 beats each"): given its run, the others are independent. Else None.
    """
    pairs = {comparison.networks for _, comparison in judged if comparison.second is not None}
    common = set.intersection(*map(set, pairs)) if pairs else set()
    if pairs and not common:
        return None
    centre = min(common) if common else judged[0][1].networks[0]
    of_one: dict[str, npt.NDArray[np.bool_]] = {}
    of_two: dict[str, npt.NDArray[np.bool_]] = {}
    for condition, comparison in judged:
        other = next((name for name in comparison.networks if name != centre), centre)
        inside = _inside(condition, comparison)
        if comparison.second is None:
            of_one[other] = of_one.get(other, True) & inside
        else:
            by_centre = inside if comparison.networks[0] == centre else inside.T
            of_two[other] = of_two.get(other, True) & by_centre
    return _combine(centre, of_one, of_two)


def _inside(condition: Condition, comparison: Comparison) -> npt.NDArray[np.bool_]:
    """Tell for each run, or each pair of a first and a second run, whether it is within bounds."""
    values = comparison.first.to_numpy(dtype=np.float64)
    if comparison.second is not None:
        values = np.subtract.outer(values, comparison.second.to_numpy(dtype=np.float64))
    values = values.round(DIGITS)
    inside: npt.NDArray[np.bool_] = (condition.low < values) & (values < condition.high)
    return inside


def _combine(
    centre: str,
    of_one: dict[str, npt.NDArray[np.bool_]],
    of_two: dict[str, npt.NDArray[np.bool_]],
) -> float:
    """Average over the runs of ``centre`` the product of the shares of the other networks."""
    share = of_one.get(centre, np.True_).astype(np.float64)
    for other in sorted((of_one.keys() | of_two.keys()) - {centre}):
        both = of_two.get(other, np.True_) & of_one.get(other, np.True_)
        share = share * both.mean(axis=-1)
    return float(np.mean(share))
