"""How long training steps and evaluations take on one core, side by side with the alternatives."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import contenders
from timing import MATRIX_SIZE, flops, in_turns, multiply

from fashionbench.examples import Examples, load_examples
from fashionbench.networks import INFERENCE_BATCH, build, configure_torch, infer
from fashionbench.params import Network, Params
from fashionbench.results import split_file

ROUNDS = 5
STEPS_OF_CONVOLUTIONS = 100
"""Of perceptrons it is the whole epoch: what it does once must have its true weight."""
EVALUATED = 10_000


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one network costs on one core.

    ``steps`` are seconds a training step, by the loop that took it; ``evaluation`` is seconds for
    EVALUATED images; ``rate`` is the FLOP/s of a large sgemm between them in the same process.
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


def measure(params: Params, name: str) -> Measured:
    """Time one network and, where they can train it, the alternatives."""
    configure_torch()
    network, how = params.network(name), params.hyperparameters
    everything = load_examples(split_file("train"), "cpu")
    whole = len(everything.labels) // how.batch_size
    steps = min(STEPS_OF_CONVOLUTIONS, whole) if network.conv_filters else whole
    images = steps * how.batch_size
    train = Examples(everything.images[:images], everything.labels[:images])
    evaluated, module = everything.images[:EVALUATED], build(network)

    epochs = {
        "fashionbench": contenders.fashionbench(network, how, train),
        "bfloat16": contenders.fashionbench(network, replace(how, precision="bfloat16"), train),
    }
    if _is_plain(network):
        epochs["tensors in memory"] = contenders.tensors_in_memory(network, how, train)
        epochs["DataLoader"] = contenders.dataloader(network, how, images)
    if _is_plain(network) and not network.conv_filters:
        epochs["JAX"] = contenders.jax_scan(network, how, train)
        epochs["scikit-learn"] = contenders.scikit_learn(network, how, train)
    work: dict[str, Callable[[], object]] = {
        **epochs,
        "sgemm": multiply(),
        "evaluation": partial(infer, module, evaluated),
    }
    times = in_turns(work, ROUNDS)
    return Measured(
        network=name,
        steps={loop: times[loop] / steps for loop in epochs},
        evaluation=times["evaluation"],
        step_flops=flops(network, how.batch_size, backward=True),
        evaluation_flops=flops(network, INFERENCE_BATCH, backward=False)
        * len(evaluated)
        // INFERENCE_BATCH,
        rate=2 * MATRIX_SIZE**3 / times["sgemm"],
    )


def _is_plain(network: Network) -> bool:
    strengths = (network.dropout_prob, network.l1_strength, network.l2_strength)
    return not network.batch_norm and not any(strengths)
