"""How long training steps and evaluations take on one core, side by side with the alternatives."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import contenders
from sizes import Sizes
from timing import MATRIX_SIZE, flops, in_turns, multiply

from fashionbench.data.examples import Examples, load_examples
from fashionbench.networks.declared import build
from fashionbench.networks.forward import INFERENCE_BATCH, infer
from fashionbench.params import Hyperparameters, Network
from fashionbench.paths import split_file
from fashionbench.portable.processor import configure_torch


@dataclass(frozen=True, kw_only=True)
class Task:
    """What a worker measures: a network, as it is trained."""

    network: Network
    hyperparameters: Hyperparameters
    sizes: Sizes

    def __str__(self) -> str:
        return f"{self.network.name}, its speed"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one network costs on one core.

    ``steps`` are seconds a training step, by the loop that took it; ``evaluation`` is seconds for
    ``Sizes.evaluated`` images; ``rate`` is the FLOP/s of a large sgemm between them in the same
    process.
    """

    network: str
    steps: dict[str, float]
    evaluation: float
    step_flops: int
    evaluation_flops: int
    rate: float

    @property
    def step_share(self) -> float:
        """The step's floating-point operations at the sgemm rate, as a share of its time."""
        return self.step_flops / self.rate / self.steps["fashionbench"]

    @property
    def evaluation_share(self) -> float:
        """The same for the evaluation."""
        return self.evaluation_flops / self.rate / self.evaluation


def measure(task: Task) -> Measured:
    """Time one network and, where they can train it, the alternatives."""
    configure_torch()
    network, hyperparameters, sizes = task.network, task.hyperparameters, task.sizes
    everything = load_examples(split_file("train"), "cpu")
    whole = len(everything.labels) // hyperparameters.batch_size
    most = sizes.convolution_batches if network.conv_filters else sizes.perceptron_batches
    steps = min(most or whole, whole)
    images = steps * hyperparameters.batch_size
    train = Examples(everything.images[:images], everything.labels[:images])
    evaluated, module = everything.images[: sizes.evaluated], build(network)

    epochs = _epochs(network, hyperparameters, train)
    work: dict[str, Callable[[], object]] = {
        **epochs,
        "sgemm": multiply(),
        "evaluation": partial(infer, module, evaluated),
    }
    times = in_turns(work, sizes.rounds)
    return Measured(
        network=network.name,
        steps={loop: times[loop] / steps for loop in epochs},
        evaluation=times["evaluation"],
        step_flops=flops(network, hyperparameters.batch_size, backward=True),
        evaluation_flops=flops(network, INFERENCE_BATCH, backward=False)
        * len(evaluated)
        // INFERENCE_BATCH,
        rate=2 * MATRIX_SIZE**3 / times["sgemm"],
    )


def _epochs(
    network: Network, hyperparameters: Hyperparameters, train: Examples
) -> dict[str, contenders.Epoch]:
    """The loops that can train a network, each as a function that does so for an epoch."""
    epochs = {
        "fashionbench": contenders.fashionbench(network, hyperparameters, train),
        "bfloat16": contenders.fashionbench(
            network, replace(hyperparameters, precision="bfloat16"), train
        ),
    }
    if _is_plain(network):
        epochs["tensors in memory"] = contenders.tensors_in_memory(network, hyperparameters, train)
        epochs["DataLoader"] = contenders.dataloader(network, hyperparameters, len(train.labels))
    if _is_plain(network) and not network.conv_filters:
        if contenders.has_jax():
            epochs["JAX"] = contenders.jax_scan(network, hyperparameters, train)
        epochs["scikit-learn"] = contenders.scikit_learn(network, hyperparameters, train)
    return epochs


def _is_plain(network: Network) -> bool:
    strengths = (network.dropout_prob, network.l1_strength, network.l2_strength)
    return not network.batch_norm and not any(strengths)
