"""A bootstrap that resamples seeds and images at once.

Another training would have another seed, and another data set other images. Replicates of a network
are scored on the same images, so both are resampled, independently of each other (Owen, Ann. Appl.
Stat. 1, 2007: the pigeonhole bootstrap). Two things are added for few seeds: each draw takes one
seed fewer than there are, which makes the variance between seeds unbiased (Rao and Wu, JASA 83,
1988), and the interval uses Student's t with Satterthwaite's degrees of freedom.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from fashionbench.analysis.correctness import Correct
from fashionbench.analysis.statistics import CONFIDENCE

DRAWS = 2000
RANDOM_SEED = 20_250_101
"""Of numpy's generator: the same results give the same intervals."""

_AT_ONCE = 200
_MOST_FREEDOM = 1e9


@dataclass(frozen=True)
class CrossedInterval:
    """A 95% interval over seeds and images; ``images`` is their share of its variance, 0 to 1."""

    low: float
    high: float
    images: float


class CrossedBootstrap:
    """Accuracies of all networks on resampled images, and resampled seeds.

    ``accuracies`` (draws, networks, seeds) belong to the networks in the order of ``networks``;
    ``seeds`` (draws, seeds - 1) are drawn indices.
    """

    def __init__(self, correct: Correct) -> None:
        """Resample the images of ``correct``, whose arrays must have the same shape."""
        rng = np.random.default_rng(RANDOM_SEED)
        right = np.stack(list(correct.values()))
        count, seeds, images = right.shape
        columns = right.reshape(count * seeds, images).T.astype(np.float64)
        self.networks = list(correct)
        self.observed = right.mean(axis=2)
        parts = []
        for _ in range(DRAWS // _AT_ONCE):
            # Whole numbers only, so that the products are exact on every processor.
            drawn = rng.integers(images, size=(_AT_ONCE, images))
            times = np.stack([np.bincount(row, minlength=images) for row in drawn])
            parts.append(times.astype(np.float64) @ columns / images)
        self.accuracies = np.concatenate(parts).reshape(DRAWS, count, seeds)
        self.seeds = rng.integers(seeds, size=(DRAWS, max(1, seeds - 1)))

    def interval(self, first: str, second: str | None = None) -> CrossedInterval | None:
        """Return the interval of a network's mean accuracy, minus that of a second one if given.

        Replicates of equal seeds stay pairs. None for fewer than two seeds, or if a network's
        predictions are not available.
        """
        names = [name for name in (first, second) if name is not None]
        if not set(names) <= set(self.networks) or self.observed.shape[1] < 2:
            return None
        places = [self.networks.index(name) for name in names]
        signs = np.array([1.0, -1.0][: len(names)])
        resampled = np.einsum("dns,n->ds", self.accuracies[:, places], signs)
        observed = signs @ self.observed[places]
        return self._interval(resampled, observed)

    def _interval(
        self, resampled: npt.NDArray[np.float64], observed: npt.NDArray[np.float64]
    ) -> CrossedInterval:
        """Make an interval of a quantity: ``resampled`` (draws, seeds), ``observed`` (seeds,)."""
        both = np.take_along_axis(resampled, self.seeds, axis=1).mean(axis=1)
        of_seeds = observed[self.seeds].mean(axis=1).var(ddof=1)
        of_images = resampled.mean(axis=1).var(ddof=1)
        total = of_seeds + of_images
        mean = float(observed.mean())
        if not total:
            return CrossedInterval(mean, mean, 0.0)
        degrees = len(observed) - 1
        freedom = min(degrees * (total / of_seeds) ** 2 if of_seeds else np.inf, _MOST_FREEDOM)
        half = float(both.std(ddof=1) * stdtrit(freedom, (1 + CONFIDENCE) / 2))
        return CrossedInterval(mean - half, mean + half, float(of_images / total))


def crossed_bootstrap(correct: Correct) -> CrossedBootstrap | None:
    """Resample if there are predictions of any network, else return None."""
    return CrossedBootstrap(correct) if correct else None
