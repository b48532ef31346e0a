"""The whole comparison in plain PyTorch: eight networks, five seeds, one table with intervals.

    python examples/report.py                        # all of it: an hour or two on two cores
    python examples/report.py --epochs 2 --images 6000 --seeds 2 --networks n1_mlp n5_batch_norm

Nothing here is imported from this project, which adds bits that are the same on every processor,
results that resume, tests of claims, and a page. Numbers agree with metrics/comparison.csv up to
their intervals: seeds are others, and random numbers are drawn in another order. report.csv has
what it printed for the perceptrons.

The four files of Fashion-MNIST are expected in data/raw, unpacked or as .gz; ``dvc repro
download`` fetches them. ``torchvision.datasets.FashionMNIST("data", download=True)`` does so, too:
then say ``--data data/FashionMNIST/raw``.
"""

import argparse
import csv
import gzip
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import torch
from scipy import stats
from torch import Tensor, nn

LEARNING_RATE, BATCH_SIZE, EPOCHS, SEEDS = 0.001, 64, 20, 5
TRAIN_SIZE, VAL_SIZE, CLASSES = 50_000, 10_000, 10
DROPOUT, STRENGTH = 0.5, 0.001

NETWORKS: dict[str, dict] = {
    "n1_mlp": {"hidden": [128]},
    "n2_mlp": {"hidden": [128, 64]},
    "n3_mlp": {"hidden": [512, 128, 64]},
    "n4_dropout": {"hidden": [128, 64], "dropout": DROPOUT},
    "n5_batch_norm": {"hidden": [128, 64], "batch_norm": True},
    "n6_l1": {"hidden": [128, 64], "l1": STRENGTH},
    "n7_l2": {"hidden": [128, 64], "l2": STRENGTH},
    "n8_conv": {"filters": [32, 32], "hidden": [128, 64]},
}
"""What distinguishes each network of the report."""

Split = tuple[Tensor, Tensor]
"""Images, float32 of shape (n, 1, 28, 28) from 0 to 1, and labels, int64 of shape (n,)."""


def build(
    hidden: list[int],
    filters: list[int] | None = None,
    dropout: float = 0.0,
    batch_norm: bool = False,
    **_: float,
) -> nn.Sequential:
    """Return a network that takes images and returns logits of shape (n, 10)."""
    layers: list[nn.Module] = []
    channels = 1
    for count in filters or []:
        layers += [nn.Conv2d(channels, count, 3, padding=1), nn.ReLU()]
        channels = count
    layers.append(nn.Flatten())
    width = channels * 28 * 28
    for size in hidden:
        layers.append(nn.Linear(width, size))
        if batch_norm:
            layers.append(nn.BatchNorm1d(size))
        layers.append(nn.ReLU())
        if dropout:
            layers.append(nn.Dropout(dropout))
        width = size
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


def loss_of(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the report's loss: cross-entropy that is given probabilities in place of logits.

    The report's losses are possible in no other way: this one cannot fall below log(e + 9) - 1,
    which is 1.4612.
    """
    return nn.functional.cross_entropy(logits.softmax(dim=1), labels)


def penalty_of(module: nn.Module, l1: float = 0.0, l2: float = 0.0, **_: object) -> Tensor:
    """Return the penalty over all trainable parameters, biases included; zero without strength."""
    total = torch.zeros(())
    for parameter in module.parameters():
        if l1:
            total = total + l1 * parameter.abs().sum()
        if l2:
            total = total + l2 * parameter.square().sum()
    return total


@torch.no_grad()
def score(module: nn.Module, split: Split) -> tuple[float, float]:
    """Return accuracy and loss on a split, in evaluation mode."""
    module.eval()
    logits = torch.cat([module(images) for images in split[0].split(1000)])
    accuracy = (logits.argmax(dim=1) == split[1]).double().mean().item()
    return accuracy, loss_of(logits, split[1]).item()


def train(name: str, seed: int, splits: dict[str, Split], epochs: int) -> dict[str, float]:
    """Train one network with one seed; return its scores after the last epoch, by column."""
    torch.manual_seed(seed)
    declared = NETWORKS[name]
    module = build(**declared)
    optimizer = torch.optim.Adam(module.parameters(), lr=LEARNING_RATE)
    images, labels = splits["train"]
    for _ in range(epochs):
        module.train()
        for chosen in torch.randperm(len(labels)).split(BATCH_SIZE):
            loss = loss_of(module(images[chosen]), labels[chosen]) + penalty_of(module, **declared)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    found = {}
    for split in ("val", "test"):
        found[f"{split}_accuracy"], found[f"{split}_loss"] = score(module, splits[split])
    return found


def read(path: Path) -> Tensor:
    """Return a file in IDX format as uint8: a header with big-endian sizes, then the values."""
    packed = path.with_name(f"{path.name}.gz")
    content = path.read_bytes() if path.exists() else gzip.decompress(packed.read_bytes())
    sizes = [int.from_bytes(content[4 * i : 4 * i + 4], "big") for i in range(1, content[3] + 1)]
    data = bytearray(content[4 + 4 * len(sizes) :])
    return torch.frombuffer(data, dtype=torch.uint8).reshape(sizes)


@lru_cache(maxsize=1)
def load(folder: Path, train_size: int, val_size: int) -> dict[str, Split]:
    """Return the three splits; as many images of each class are drawn for validation."""
    found = {}
    for part in ("train", "t10k"):
        images = read(folder / f"{part}-images-idx3-ubyte")
        labels = read(folder / f"{part}-labels-idx1-ubyte").long()
        found[part] = images.unsqueeze(1).float().div_(255), labels
    images, labels = found["train"]
    random = torch.Generator().manual_seed(0)
    drawn: dict[str, list[Tensor]] = {"train": [], "val": []}
    for label in range(CLASSES):
        of_class = (labels == label).nonzero().flatten()
        of_class = of_class[torch.randperm(len(of_class), generator=random)]
        val, train = val_size // CLASSES, train_size // CLASSES
        drawn["val"].append(of_class[:val])
        drawn["train"].append(of_class[val : val + train])
    chosen = {split: torch.cat(parts) for split, parts in drawn.items()}
    splits = {split: (images[index], labels[index]) for split, index in chosen.items()}
    return splits | {"test": found["t10k"]}


def run(job: tuple[str, int, Path, int, int, int]) -> dict[str, float]:
    """Train one replicate in a process of its own, with one thread."""
    name, seed, folder, train_size, val_size, epochs = job
    torch.set_num_threads(1)
    return train(name, seed, load(folder, train_size, val_size), epochs)


def interval(values: list[float]) -> tuple[float, float, float]:
    """Return the mean and Student's 95% interval over seeds."""
    mean = sum(values) / len(values)
    error = stats.sem(values)
    low, high = stats.t.interval(0.95, len(values) - 1, mean, error) if error else (mean, mean)
    return mean, float(low), float(high)


def main() -> None:
    """Train all networks with all seeds, and print the table as CSV."""
    parser = argparse.ArgumentParser(description="Compare eight networks on Fashion-MNIST.")
    parser.add_argument("--data", type=Path, default=Path("data/raw"))
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--images", type=int, default=TRAIN_SIZE, help="for training")
    parser.add_argument("--validation", type=int, default=VAL_SIZE, help="images for validation")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    given = parser.parse_args()
    sizes = (given.data, given.images, given.validation, given.epochs)
    jobs = [(name, seed, *sizes) for name in given.networks for seed in range(given.seeds)]
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn")) as pool:
        found = list(pool.map(run, jobs))
    table = csv.writer(sys.stdout, lineterminator="\n")
    columns = list(found[0])
    ends = ("", "_low", "_high")
    table.writerow(["network", "parameters", "seeds", *(c + end for c in columns for end in ends)])
    for name in given.networks:
        rows = [row for job, row in zip(jobs, found, strict=True) if job[0] == name]
        size = sum(parameter.numel() for parameter in build(**NETWORKS[name]).parameters())
        values = [value for column in columns for value in interval([r[column] for r in rows])]
        table.writerow([name, size, given.seeds, *(f"{value:.6f}" for value in values)])


if __name__ == "__main__":
    main()
