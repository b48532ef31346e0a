"""A served network: its probabilities for raw pixels, and the input that it refuses."""

import ast
import json
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from repositories import CLASSES, PROJECT, Repository
from safetensors.torch import load_file, save_file
from trainings import network

from fashionbench.data.examples import Examples
from fashionbench.errors import DataError
from fashionbench.networks.declared import build, restore, weights_of
from fashionbench.networks.forward import infer
from fashionbench.serving import Classifier
from fashionbench.tracking.registry import copy_served_code

DECLARED = network(conv_filters=(2,), batch_norm=True)
GREY = np.full((2, 28, 28), 7, np.uint8)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Untrained weights of the network."""
    path = tmp_path_factory.mktemp("weights") / "seed_0.safetensors"
    save_file(weights_of(build(DECLARED)), path)
    return path


@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float64"])
def test_raw_pixels_of_any_type_get_the_probabilities_of_the_evaluation(
    weights: Path, test_examples: Examples, dtype: str
) -> None:
    state = torch.get_rng_state()
    classifier = Classifier(DECLARED, weights, "float32", CLASSES)
    assert torch.equal(torch.get_rng_state(), state)
    probabilities = classifier.probabilities(test_examples.images.numpy().astype(dtype))
    module = restore(DECLARED, load_file(weights), "cpu")
    expected = infer(module, test_examples.images).softmax(dim=1).numpy()
    assert probabilities.dtype == np.float32
    np.testing.assert_array_equal(probabilities, expected)


def test_a_black_image_and_whole_numbers_up_to_one_are_taken(weights: Path) -> None:
    classifier = Classifier(DECLARED, weights, "float32", CLASSES)
    for image in (np.zeros((1, 28, 28)), np.ones((1, 28, 28), np.uint8)):
        assert classifier.probabilities(image).shape == (1, 10)


def test_it_is_loaded_from_its_files(weights: Path, test_examples: Examples) -> None:
    path = weights.with_name("network.json")
    path.write_text(
        json.dumps({"network": asdict(DECLARED), "precision": "float32", "classes": CLASSES})
    )
    images = test_examples.images.numpy()
    expected = Classifier(DECLARED, weights, "float32", CLASSES).probabilities(images)
    np.testing.assert_array_equal(Classifier.load(path, weights).probabilities(images), expected)


def test_the_file_that_mlflow_stores_imports_the_public_path_only() -> None:
    code = (PROJECT / "src/fashionbench/serving/mlflow_model.py").read_text()
    nodes = [node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.ImportFrom)]
    own = {node.module for node in nodes if str(node.module).startswith("fashionbench")}
    assert own == {"fashionbench.serving"}


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        (GREY[0], r"images are of shape \(28, 28\): must be an array of shape \(n, 28, 28\)"),
        (GREY[:, :27], r"images are of shape \(2, 27, 28\)"),
        (GREY[:0], r"images are of shape \(0, 28, 28\): .*, n at least 1"),
        (GREY.astype(str), "images are of type <U3"),
        (GREY.astype(bool), "images are of type bool"),
        (GREY.tolist(), "images are a list"),
        (GREY - 8.0, "pixels are from -1.0 to -1.0: must be .* with pixels from 0 to 255"),
        (GREY + 249.0, "pixels are from 256.0 to 256.0"),
        (GREY * np.nan, "pixels are from nan to nan"),
        (GREY / 255.0, "image 0 has floats from 0.0275 to 0.0275: must be .*; multiply by 255"),
        (np.stack([GREY[0] * 1.0, GREY[0] / 7.0]), "image 1 has floats from 1 to 1"),
    ],
)
def test_anything_else_is_refused(
    weights: Path, images: npt.NDArray[np.generic], complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        Classifier(DECLARED, weights, "float32", CLASSES).probabilities(images)


def test_a_served_model_carries_the_code_that_it_imports_and_no_more(tmp_path: Path) -> None:
    code = copy_served_code(tmp_path)
    carried = {file.relative_to(tmp_path).as_posix() for file in code.rglob("*.py")}
    assert len(carried) <= 25
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r}); sys.dont_write_bytecode = True\n"
        "import fashionbench.serving\n"
        "print(*(module.__file__ for name, module in list(sys.modules.items())\n"
        "        if name.partition('.')[0] == 'fashionbench'), sep='\\n')"
    )
    said = Repository(tmp_path).run(sys.executable, "-c", program).stdout
    imported = {Path(line).relative_to(tmp_path).as_posix() for line in said.splitlines()}
    assert imported == carried
