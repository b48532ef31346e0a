"""The training loops that are compared: fashionbench's, and what people would use instead.

Each maker returns a function that trains one epoch on the given images, with the report's loss,
Adam and batches, and finds the epoch's mean loss and accuracy as a learning curve needs them. The
others are written as their own documentation teaches. What only one of them needs is imported where
it is used: it takes seconds, and JAX is not there before ``make bench`` has run.
"""

from collections.abc import Callable
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from fashionbench.data.examples import Examples
from fashionbench.data.sources import RAW_DIR
from fashionbench.params import Hyperparameters, Network
from fashionbench.training.epoch import Replicate, initial_state, train_epoch

Epoch = Callable[[], object]


def has_jax() -> bool:
    """Whether the packages of :func:`jax_scan` are installed."""
    return all(find_spec(package) for package in ("jax", "optax"))


def fashionbench(network: Network, hyperparameters: Hyperparameters, train: Examples) -> Epoch:
    """This project's loop; one image is enough for the validation that belongs to its epoch."""
    replicate = Replicate(network=network, hyperparameters=hyperparameters, seed=0)
    one_image = Examples(train.images[:1], train.labels[:1])
    state, number = initial_state(replicate), 0

    def epoch() -> None:
        nonlocal state, number
        number += 1
        _, state = train_epoch(replicate, number, state, train, one_image)

    return epoch


def dataloader(network: Network, hyperparameters: Hyperparameters, images: int) -> Epoch:
    """The loop of PyTorch's tutorials: a DataLoader of torchvision's data set, autograd, Adam."""
    from torchvision.datasets import FashionMNIST
    from torchvision.transforms import ToTensor

    # https://docs.pytorch.org/tutorials/beginner/basics/optimization_tutorial.html
    with TemporaryDirectory() as folder:
        raw = Path(folder, "FashionMNIST/raw")
        raw.parent.mkdir()
        raw.symlink_to(RAW_DIR.absolute())
        data = FashionMNIST(root=folder, train=True, transform=ToTensor())
    loader = DataLoader(
        Subset(data, range(images)), batch_size=hyperparameters.batch_size, shuffle=True
    )
    model, loss_fn = _module(network), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=hyperparameters.learning_rate)

    def epoch() -> tuple[float, float]:
        total_loss, correct = 0.0, 0.0
        for inputs, labels in loader:
            probabilities = model(inputs).softmax(dim=1)
            loss = loss_fn(probabilities, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total_loss += loss.item()
            correct += (probabilities.argmax(1) == labels).type(torch.float).sum().item()
        return total_loss / len(loader), correct / images

    return epoch


def tensors_in_memory(network: Network, hyperparameters: Hyperparameters, train: Examples) -> Epoch:
    """The same without the DataLoader: two tensors, one gather a batch, Adam in one kernel."""
    inputs = train.images.float().div(255)
    model = _module(network).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), lr=hyperparameters.learning_rate, fused=True)

    def epoch() -> tuple[float, float]:
        losses: list[Tensor] = []
        correct: list[Tensor] = []
        for batch in torch.randperm(len(inputs)).split(hyperparameters.batch_size):
            labels = train.labels[batch]
            probabilities = model(inputs[batch]).softmax(dim=1)
            loss = nn.functional.cross_entropy(probabilities, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
            correct.append((probabilities.argmax(1) == labels).sum())
        return torch.stack(losses).mean().item(), torch.stack(correct).sum().item() / len(inputs)

    return epoch


def jax_scan(network: Network, hyperparameters: Hyperparameters, train: Examples) -> Epoch:
    """JAX: a perceptron's whole epoch compiled as one scan, with optax's Adam."""
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
    """scikit-learn's MLPClassifier, an epoch a call; its loss is that of the logits."""
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
    """A network without regularisation, as a tutorial would write it."""
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
