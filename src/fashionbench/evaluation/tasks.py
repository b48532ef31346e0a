"""What workers are given to score."""

from dataclasses import dataclass
from pathlib import Path

from fashionbench.data.examples import load_examples
from fashionbench.evaluation.scores import Evaluation
from fashionbench.evaluation.trained import evaluate, load_trained
from fashionbench.networks.forward import infer
from fashionbench.params import Device, LossInput, Network, Precision


@dataclass(frozen=True, kw_only=True)
class EvaluationTask:
    """The weights of one replicate and the split to score them on, as files."""

    network: Network
    loss_input: LossInput
    device: Device
    precision: Precision
    weights: Path
    split: Path

    def __str__(self) -> str:
        return f"{self.weights} on {self.split}"


def run_evaluation(task: EvaluationTask) -> Evaluation:
    """Carry out a task in a worker. Raises DataError for weights that do not fit the network."""
    module = load_trained(task.network, task.weights, task.device)
    examples = load_examples(task.split, task.device)
    logits = infer(module, examples.images, task.precision)
    return evaluate(logits, examples.labels, task.loss_input)
