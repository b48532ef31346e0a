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
    are timed, and the evaluation of ``evaluated`` images. Trainings on workers take ``epochs`` of
    ``images``; ``together`` has, by the network, the images on which two replicates train at once,
    and ``on_cluster`` the epochs that they take on a cluster.
    """

    all_networks: bool
    rounds: int
    perceptron_batches: int | None
    convolution_batches: int
    evaluated: int
    images: int
    epochs: int
    together: Mapping[str, int]
    on_cluster: Mapping[str, int]

    @property
    def least_images(self) -> int:
        """The training images without which less would be measured than these sizes say."""
        return max(self.evaluated, self.images, *self.together.values())

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
    images=6_000,
    epochs=2,
    together={"n2_mlp": 25_600, "n8_conv": 3_200},
    on_cluster={"n2_mlp": 60, "n8_conv": 8},
)
SMALL = Sizes(
    all_networks=False,
    rounds=1,
    perceptron_batches=2,
    convolution_batches=2,
    evaluated=128,
    images=64,
    epochs=1,
    together={"n2_mlp": 128, "n8_conv": 128},
    on_cluster={"n2_mlp": 2, "n8_conv": 1},
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
