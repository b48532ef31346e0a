"""Training steps and evaluations on one core: fashionbench's loop, and what people would use.

Each maker of a loop returns a function that trains one epoch on the given images, with the report's
loss, Adam and batches, and finds the epoch's mean loss and accuracy as a learning curve needs them.
The others are written as their own documentation teaches. What only one of them needs is imported
where it is used: it takes seconds, and JAX is not there before ``make bench`` has run.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from timing import Sizes, in_turns
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset
from torch.utils.flop_counter import FlopCounterMode

from fashionbench.data.examples import Examples, load_examples
from fashionbench.data.sources import RAW_DIR
from fashionbench.networks.declared import build
from fashionbench.networks.forward import INFERENCE_BATCH, infer
from fashionbench.params import Hyperparameters, Network
from fashionbench.paths import split_file
from fashionbench.portable.processor import configure_torch
from fashionbench.training.epoch import Replicate, initial_state, train_epoch

Epoch = Callable[[], object]
Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]
"""Yields inputs and labels of the batches of an epoch, in a new order at each call."""
_MATRIX_SIZE = 1024


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


def measure(network: Network, hyperparameters: Hyperparameters, sizes: Sizes) -> Measured:
    """Time one network and, where they can train it, the alternatives, in a process of its own."""
    if hasattr(os, "sched_setaffinity"):  # One core, whatever threads the alternatives make.
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    configure_torch()
    everything = load_examples(split_file("train"), "cpu")
    whole = len(everything.labels) // hyperparameters.batch_size
    most = sizes.convolution_batches if network.conv_filters else sizes.perceptron_batches
    steps = min(most or whole, whole)
    images = steps * hyperparameters.batch_size
    train = Examples(everything.images[:images], everything.labels[:images])
    evaluated, module = everything.images[: sizes.evaluated], build(network)
    left, right = torch.randn(2, _MATRIX_SIZE, _MATRIX_SIZE)
    epochs = _epochs(network, hyperparameters, train)
    work: dict[str, Epoch] = {
        **epochs,
        "sgemm": partial(torch.mm, left, right),
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
        rate=2 * _MATRIX_SIZE**3 / times["sgemm"],
    )


def flops(network: Network, images: int, *, backward: bool) -> int:
    """Return the floating-point operations of a pass over a batch, as torch counts them."""
    module = build(network)
    with FlopCounterMode(display=False) as counter:
        outputs = module(torch.rand(images, *network.shape)).sum()
        if backward:
            outputs.backward()
    return int(counter.get_total_flops())


def _epochs(
    network: Network, hyperparameters: Hyperparameters, train: Examples
) -> dict[str, Epoch]:
    """Return the loops that can train a network, each as a function that does so for an epoch."""
    low = replace(hyperparameters, precision="bfloat16")
    epochs = {
        "fashionbench": fashionbench(network, hyperparameters, train),
        "bfloat16": fashionbench(network, low, train),
    }
    plain = Network(
        name=network.name,
        shape=network.shape,
        num_classes=network.num_classes,
        conv_filters=network.conv_filters,
        hidden_sizes=network.hidden_sizes,
    )
    if network != plain:
        return epochs
    size = hyperparameters.batch_size
    in_memory, loaded = _in_memory(train, size), _of_dataloader(len(train.labels), size)
    epochs["tensors in memory"] = pytorch(network, hyperparameters, in_memory, is_tuned=True)
    epochs["DataLoader"] = pytorch(network, hyperparameters, loaded)
    if not network.conv_filters:
        if find_spec("jax"):
            epochs["JAX"] = jax_scan(network, hyperparameters, train)
        epochs["scikit-learn"] = scikit_learn(network, hyperparameters, train)
    return epochs


def fashionbench(network: Network, hyperparameters: Hyperparameters, train: Examples) -> Epoch:
    """Return this project's loop; one image is enough for the validation of its epoch."""
    replicate = Replicate(network=network, hyperparameters=hyperparameters, seed=0)
    one_image = Examples(train.images[:1], train.labels[:1])
    state, number = initial_state(replicate), 0

    def epoch() -> None:
        nonlocal state, number
        number += 1
        _, state = train_epoch(replicate, number, state, train, one_image)

    return epoch


def pytorch(
    network: Network, hyperparameters: Hyperparameters, batches: Batches, *, is_tuned: bool = False
) -> Epoch:
    """Return the loop of PyTorch's tutorials; tuned, with Adam in one kernel and channels last.

    https://docs.pytorch.org/tutorials/beginner/basics/optimization_tutorial.html
    """
    model, rate = _module(network), hyperparameters.learning_rate
    if is_tuned:
        model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=is_tuned or None)

    def epoch() -> tuple[float, float]:
        losses, correct = [], []
        for inputs, labels in batches():
            probabilities = model(inputs).softmax(dim=1)
            loss = nn.functional.cross_entropy(probabilities, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            correct.append((probabilities.argmax(1) == labels).float().mean().item())
        return sum(losses) / len(losses), sum(correct) / len(correct)

    return epoch


def _in_memory(train: Examples, batch_size: int) -> Batches:
    """Return batches of a tensor of floats, without a DataLoader."""
    inputs = train.images.float().div(255)

    def batches() -> Iterable[tuple[Tensor, Tensor]]:
        for batch in torch.randperm(len(inputs)).split(batch_size):
            yield inputs[batch], train.labels[batch]

    return batches


def _of_dataloader(images: int, batch_size: int) -> Batches:
    """Return the batches of a DataLoader of torchvision's data set."""
    from torchvision.datasets import FashionMNIST
    from torchvision.transforms import ToTensor

    with TemporaryDirectory() as folder:
        raw = Path(folder, "FashionMNIST/raw")
        raw.parent.mkdir()
        raw.symlink_to(RAW_DIR.absolute())
        data = FashionMNIST(root=folder, train=True, transform=ToTensor())
    loader = DataLoader(Subset(data, range(images)), batch_size=batch_size, shuffle=True)
    return lambda: loader


def jax_scan(network: Network, hyperparameters: Hyperparameters, train: Examples) -> Epoch:
    """Return JAX's: a perceptron's whole epoch compiled as one scan, with optax's Adam."""
    import jax
    import jax.numpy as jnp
    import optax

    inputs = jnp.asarray(train.images.numpy().reshape(len(train.images), -1) / np.float32(255))
    labels = jnp.asarray(train.labels.numpy())
    sizes = (network.input_size, *network.hidden_sizes, network.num_classes)
    keys = jax.random.split(jax.random.key(0), len(sizes) - 1)
    initialise = jax.nn.initializers.variance_scaling(1 / 3, "fan_in", "uniform")
    params = [
        (initialise(key, shape), jnp.zeros(shape[1]))
        for key, shape in zip(keys, pairwise(sizes), strict=True)
    ]
    optimizer = optax.adam(hyperparameters.learning_rate)

    def step(carry, batch):  # type: ignore[no-untyped-def]
        params, state = carry
        gradient = jax.value_and_grad(_loss_and_accuracy, has_aux=True)
        scores, gradients = gradient(params, inputs[batch], labels[batch])
        updates, state = optimizer.update(gradients, state)
        return (optax.apply_updates(params, updates), state), scores

    @jax.jit
    def scan(carry, key):  # type: ignore[no-untyped-def]
        order = jax.random.permutation(key, len(inputs)).reshape(-1, hyperparameters.batch_size)
        carry, (losses, accuracies) = jax.lax.scan(step, carry, order)
        return carry, losses.mean(), accuracies.mean()

    carry, number = (params, optimizer.init(params)), 0

    def epoch() -> tuple[float, float]:
        nonlocal carry, number
        number += 1
        carry, loss, accuracy = scan(carry, jax.random.key(number))
        return float(loss), float(accuracy)

    return epoch


def _loss_and_accuracy(params, inputs, labels):  # type: ignore[no-untyped-def]
    import jax
    import optax

    for weight, bias in params[:-1]:
        inputs = jax.nn.relu(inputs @ weight + bias)
    weight, bias = params[-1]
    probabilities = jax.nn.softmax(inputs @ weight + bias)
    loss = optax.softmax_cross_entropy_with_integer_labels(probabilities, labels).mean()
    return loss, (probabilities.argmax(axis=1) == labels).mean()


def scikit_learn(network: Network, hyperparameters: Hyperparameters, train: Examples) -> Epoch:
    """Return scikit-learn's MLPClassifier, an epoch a call; its loss is that of the logits."""
    from sklearn.neural_network import MLPClassifier

    inputs = train.images.numpy().reshape(len(train.images), -1) / np.float32(255)
    labels = train.labels.numpy()
    classifier = MLPClassifier(
        network.hidden_sizes,
        solver="adam",
        alpha=0,
        batch_size=hyperparameters.batch_size,
        learning_rate_init=hyperparameters.learning_rate,
    )
    return lambda: classifier.partial_fit(inputs, labels, classes=range(network.num_classes))


def _module(network: Network) -> nn.Sequential:
    """Return a network without regularisation, as a tutorial would write it."""
    # ToTensor gives (n, 1, 28, 28), tensors in memory (n, 28, 28).
    layers: list[nn.Module] = [nn.Flatten(), nn.Unflatten(1, (1, 28, 28))]
    channels = 1
    for filters in network.conv_filters:
        layers += [nn.Conv2d(channels, filters, kernel_size=3, padding=1), nn.ReLU()]
        channels = filters
    layers.append(nn.Flatten())
    features = channels * network.input_size
    for size in network.hidden_sizes:
        layers += [nn.Linear(features, size), nn.ReLU()]
        features = size
    return nn.Sequential(*layers, nn.Linear(features, network.num_classes))
