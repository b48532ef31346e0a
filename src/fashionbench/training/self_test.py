"""Whether this machine makes the committed bits: small trainings with known results.

Each trains a network of the report for two steps on random images, one with a whole batch and one
with the 16 images that remain of 50,000 after the last whole one, and scores validation images. The
sizes of all operations are those of the full pipeline.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, replace

import torch

from fashionbench.data.examples import Examples
from fashionbench.networks.forward import INFERENCE_BATCH
from fashionbench.params import Hyperparameters, Network, Params
from fashionbench.portable.processor import configure_torch
from fashionbench.training.epoch import Epoch, Replicate, State, initial_state, train_epoch

SHAPE = (28, 28)
"""That of the report's images."""
_BATCH, _LAST_BATCH = 64, 16
_PERCEPTRON = Network(
    name="n2_mlp",
    shape=SHAPE,
    num_classes=10,
    conv_filters=(),
    pool=False,
    hidden_sizes=(128, 64),
    batch_norm=False,
    dropout_prob=0.0,
    l1_strength=0.0,
    l2_strength=0.0,
)
NETWORKS = {
    network.name: network
    for network in (
        _PERCEPTRON,
        replace(_PERCEPTRON, name="n3_mlp", hidden_sizes=(512, 128, 64)),
        replace(_PERCEPTRON, name="n4_dropout", dropout_prob=0.5),
        replace(_PERCEPTRON, name="n5_batch_norm", batch_norm=True),
        replace(_PERCEPTRON, name="n6_l1", l1_strength=0.001),
        replace(_PERCEPTRON, name="n7_l2", l2_strength=0.001),
        replace(_PERCEPTRON, name="n8_conv", conv_filters=(32, 32)),
    )
}
"""The report's networks, but for n1_mlp, whose operations n2_mlp has too."""

LAST_BATCH = " (last batch)"
"""Ends the name of a training of one step with the short batch: emulated, whole ones take long."""

DIGESTS = {
    "n2_mlp": "bdd09609fe88e37bd54d25c808de1264375e765df8ded34374ffa40df34d1efb",
    "n3_mlp": "f62e2a607fa0098def1f898fac6d76b490a27898eaf31cd4aee917152e3b7787",
    "n4_dropout": "4c2ef3b4834fc332764578f6afa8fc5a3c369fb7a6c9884afc173445e02fc60c",
    "n5_batch_norm": "7fdd16c0c1d141f78c9c908e26bb807632e543456d53ee1220baa9171c2cbe0f",
    "n6_l1": "dfea9d3e4c4b6c2732cd6ff4cbc43b4e1c4f580769732cde77ffcb0504d5ee5b",
    "n7_l2": "1971fa25589bb0e2d973b6ce50f92ee9f4e315a38d32b8a40447d77ff894d555",
    "n8_conv": "e415cdceb7f52909ada32fee2f9b63d82d45d1eee95d37ceab1c450620c933d1",
    "n8_conv (last batch)": "44438c033a4257b241c91e4d4cf787af22849c2ce77976a8ab2212ddb60a7219",
}
"""For each training its digest on an x86-64 processor with AVX2 and FMA."""

_HYPERPARAMETERS = Hyperparameters(
    learning_rate=0.001,
    learning_rate_decay=0.0,
    batch_size=_BATCH,
    num_epochs=1,
    loss_input="probabilities",
    optimizer="adam",
    momentum=0.9,
    weight_decay=0.0,
    schedule="constant",
    initialisation="pytorch",
    device="cpu",
    precision="float32",
)


def train_digest(name: str) -> str:
    """Train a network and return the sha256 of its weights, moments and scores.

    ``name`` is one of :data:`DIGESTS`.
    """
    network = NETWORKS[name.removesuffix(LAST_BATCH)]
    # A convolutional network scores few images: under emulation it takes minutes as it is.
    validation = _LAST_BATCH if network.conv_filters else INFERENCE_BATCH + _LAST_BATCH
    images = _LAST_BATCH if name.endswith(LAST_BATCH) else _BATCH + _LAST_BATCH
    row, state = _train(network, _HYPERPARAMETERS, images, validation)
    digest = hashlib.sha256(json.dumps(asdict(row)).encode())
    for name, tensor in sorted(state.items()):
        digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def differing(names: Iterable[str] = tuple(DIGESTS)) -> list[str]:
    """Return the trainings that have another digest here than the known one.

    Raises ConfigError if torch has loaded code for another processor.
    """
    configure_torch()
    return [name for name in names if train_digest(name) != DIGESTS[name]]


def meet_sizes(params: Params) -> None:
    """Train each network of a project as above, with batches and images of its sizes.

    Its operations are then in :data:`fashionbench.portable.kernels.choices`. Networks whose bits
    are not portable anyway are left out.
    """
    configure_torch()
    validation = min(params.val_size, INFERENCE_BATCH + params.val_size % INFERENCE_BATCH)
    for name in params.networks:
        how = replace(params.of(name).hyperparameters, num_epochs=1)
        images = how.batch_size + params.train_size % how.batch_size
        if how.is_portable:
            _train(params.network(name), how, images, validation)


def _train(
    network: Network, hyperparameters: Hyperparameters, images: int, validation: int
) -> tuple[Epoch, State]:
    """Train on so many random images for one epoch, and score others."""
    numbers = torch.Generator().manual_seed(0)
    train, val = (_random_examples(network, n, numbers) for n in (images, validation))
    replicate = Replicate(network=network, hyperparameters=hyperparameters, seed=0)
    return train_epoch(replicate, 1, initial_state(replicate), train, val)


def _random_examples(network: Network, n: int, numbers: torch.Generator) -> Examples:
    images = torch.randint(0, 256, (n, *network.shape), dtype=torch.uint8, generator=numbers)
    return Examples(images, torch.randint(0, network.num_classes, (n,), generator=numbers))
