"""How much is measured: what ``make bench`` does, and little that runs all the same code."""

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
"""Where the results are kept that are in git."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Counts of rounds, batches, images and epochs, and which networks.

    ``rounds`` are those of steps, evaluations and commands. Epochs of ``perceptron_batches`` (the
    whole epoch if None: what it does once must have its true weight) and ``convolution_batches``
    are timed, and the evaluation of ``evaluated`` images. A training that grows has ``images`` and
    ``epochs``, times one of ``factors``, and ``growth_rounds``. ``together`` has, by the network,
    the images on which two replicates train at once, and ``on_cluster`` for how many epochs on a
    cluster. Clusters of ``simulated_workers`` take ``simulated_second`` seconds for a second.
    Memory is looked at while the stage trains on at most ``memory_images``.
    """

    all_networks: bool
    rounds: int
    perceptron_batches: int | None
    convolution_batches: int
    evaluated: int
    growth_rounds: int
    images: int
    epochs: int
    factors: tuple[int, ...]
    together: Mapping[str, int]
    on_cluster: Mapping[str, int]
    simulated_workers: tuple[int, ...]
    simulated_second: float
    memory_images: int

    @property
    def least_images(self) -> int:
        """The training images without which less would be measured than these sizes say."""
        return max(self.evaluated, self.images * max(self.factors), *self.together.values())

    def choose(self, networks: Mapping[str, object]) -> list[str]:
        """The names of the networks to measure: all, or the first and the last."""
        names = list(networks)
        return names if self.all_networks else list(dict.fromkeys((names[0], names[-1])))


FULL = Sizes(
    all_networks=True,
    rounds=3,
    perceptron_batches=None,
    convolution_batches=100,
    evaluated=10_000,
    growth_rounds=3,
    images=6_000,
    epochs=2,
    factors=(1, 2, 4, 8),
    together={"n2_mlp": 25_600, "n8_conv": 3_200},
    on_cluster={"n2_mlp": 60, "n8_conv": 8},
    simulated_workers=(40, 200, 1_000),
    simulated_second=0.1,
    memory_images=60_000,
)
SMALL = Sizes(
    all_networks=False,
    rounds=1,
    perceptron_batches=2,
    convolution_batches=2,
    evaluated=128,
    growth_rounds=1,
    images=64,
    epochs=1,
    factors=(1, 2),
    together={"n2_mlp": 128, "n8_conv": 128},
    on_cluster={"n2_mlp": 2, "n8_conv": 1},
    simulated_workers=(4,),
    simulated_second=0.001,
    memory_images=128,
)


def parse_arguments(parser: ArgumentParser, *, small_help: str) -> Namespace:
    """Read a script's arguments, among them ``small`` and the folder ``output``.

    Ends the script if little is to be measured and kept in place of the results in git.
    """
    parser.add_argument("--small", action="store_true", help=f"{small_help}; needs --output")
    parser.add_argument(
        "--output",
        type=Path,
        default=FOLDER,
        metavar="FOLDER",
        help="where to write the results (beside this script)",
    )
    parsed = parser.parse_args()
    if parsed.small and parsed.output.resolve() == FOLDER:
        parser.error("--small needs --output, and a folder other than that of the kept results")
    return parsed
