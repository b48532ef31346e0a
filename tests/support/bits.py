"""Prints as JSON what processors are compared by: digests of operations and of trainings.

``bits.py first operations networks example`` computes them with the first kernels that keep to
the definition, ``last`` with the last ones. None is timed, which takes long under an emulator and
says nothing.
"""

import io
import json
import runpy
import sys
from contextlib import redirect_stdout
from pathlib import Path

import layers

from fashionbench.portable import kernels
from fashionbench.portable.processor import configure_torch
from fashionbench.training import self_test

WHOLE = "n5_batch_norm"
"""Trained with whole batches: it has the products of most of the report's perceptrons."""
FEW = 2
"""Images for the convolutional network: an emulator takes a quarter of an hour for a batch."""
EXAMPLE = Path(__file__).parents[2] / "examples/portable_training.py"


def networks() -> dict[str, str]:
    """Return digests of trained networks, of which self_test knows the first."""
    conv = self_test.NETWORKS["n8_conv"]
    row, state = self_test._train(conv, self_test._HYPERPARAMETERS, FEW, FEW)
    few = {f"{conv.name}, {row}": layers.digest(state.values())}
    return {WHOLE: self_test.train_digest(WHOLE), **few}


def example() -> dict[str, str]:
    """Return what the example of portable training prints."""
    with redirect_stdout(io.StringIO()) as said:
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    return {"example": said.getvalue()}


if __name__ == "__main__":
    place = {"first": 0, "last": -1}[sys.argv[1]]
    kernels._choose = lambda name, *tried: list(kernels._agreeing(*tried).values())[place]
    configure_torch()
    of = {"operations": layers.digests, "networks": networks, "example": example}
    json.dump({what: of[what]() for what in sys.argv[2:]}, sys.stdout)
