"""Trained weights as a module, and the scores of its logits: what workers alone do with torch."""

from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fashionbench.errors import DataError
from fashionbench.evaluation.scores import Evaluation
from fashionbench.networks.declared import build
from fashionbench.params import Device, LossInput, Network
from fashionbench.portable.processor import configure_torch
from fashionbench.training.losses import score


def load_trained(network: Network, weights: Path, device: Device) -> nn.Sequential:
    """Set up this process, and return the module of a replicate's weights.

    Raises DataError for weights that do not fit the network.
    """
    configure_torch()
    # Not without initial values: torch imports sympy, for two seconds, to give memory to such a
    # module.
    module = build(network)
    try:
        module.load_state_dict(load_file(weights))
    except (OSError, SafetensorError, RuntimeError) as error:
        raise DataError(
            f"{weights} does not hold the weights of {network.name} "
            f"({str(error).splitlines()[0]}); run dvc repro -f -s train@{network.name}"
        ) from error
    return module.to(device)


def evaluate(logits: Tensor, labels: Tensor, loss_input: LossInput) -> Evaluation:
    """Score float32 logits (n, classes) against int64 labels (n,)."""
    scored = score(logits, labels, loss_input)
    classes = logits.shape[1]
    # From logits: the probabilities of two classes may both round to 1.
    predictions = logits.argmax(dim=1)
    confidences = logits.softmax(dim=1).amax(dim=1)
    pairs = labels * classes + predictions
    confusion = pairs.bincount(minlength=classes**2).reshape(classes, classes)
    return Evaluation(
        loss=scored.loss,
        accuracy=scored.accuracy,
        confusion=confusion.cpu().numpy(),
        predictions=predictions.byte().cpu().numpy(),
        correct=(predictions == labels).cpu().numpy(),
        confidences=confidences.cpu().numpy(),
    )
