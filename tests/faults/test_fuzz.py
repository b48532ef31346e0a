"""Pictures, requests and parameters drawn at random: an answer, or one line that says why not."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from repositories import DATASET
from safetensors.torch import save_file
from trainings import network

from fashionbench.errors import DataError, FashionbenchError
from fashionbench.networks.declared import build, weights_of
from fashionbench.serving import Classifier
from fashionbench.serving.preprocessing import read_picture

FUZZ = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
DECLARED = network(hidden_sizes=(4,))
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_subnormal=False),
    st.text(max_size=20),
    st.lists(st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)


def answer_or_line(ask: Callable[[], Any], kind: type[FashionbenchError]) -> Any:
    """Return an answer; None for an error of one kind, which must be one line."""
    said = ""
    try:
        return ask()
    except kind as error:
        said = str(error)
    assert len(said.splitlines()) == 1
    return None


def encoded(mode: str, name: str, size: tuple[int, int], seed: int) -> bytes:
    """Return the file of a picture of noise."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (size[1], size[0], 4), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels, "RGBA").convert("RGB").convert(mode).save(content, name)
    return content.getvalue()


PICTURES = st.one_of(
    st.binary(max_size=200),
    st.builds(
        encoded,
        st.sampled_from(["1", "L", "P", "RGB"]),
        st.sampled_from(["PNG", "GIF", "BMP", "WEBP"]),
        st.tuples(st.integers(1, 60), st.integers(1, 60)),
        st.integers(0, 9),
    ),
)


@FUZZ
@given(
    content=PICTURES,
    cut=st.floats(0, 1, allow_subnormal=False),
    flips=st.lists(st.tuples(st.integers(0), st.integers(1, 255)), max_size=3),
)
def test_any_file_is_a_picture_or_is_named(
    tmp_path: Path, content: bytes, cut: float, flips: list[tuple[int, int]]
) -> None:
    damaged = bytearray(content)
    for place, change in flips:
        if damaged:
            damaged[place % len(damaged)] ^= change
    path = tmp_path / "picture"
    path.write_bytes(bytes(damaged[: round(len(damaged) * cut)]))
    picture = answer_or_line(lambda: read_picture(path), DataError)
    if picture is not None:
        assert picture.pixels.shape == (28, 28)
        assert picture.pixels.dtype == np.uint8


# Training makes the processor take subnormal numbers for zeros: so none are drawn.
PIXELS = st.floats(0, 255, allow_subnormal=False)


def arrays_of(dtype: np.dtype[Any]) -> st.SearchStrategy[npt.NDArray[Any]]:
    """Draw arrays of a type, of right and of wrong shapes."""
    limits: dict[str, Any] = {"allow_subnormal": False} if dtype.kind in "fc" else {}
    shapes = st.sampled_from([(2, 28, 28), (28, 28), (0, 28, 28), (1,)])
    return arrays.arrays(dtype, shapes, elements=arrays.from_dtype(dtype, **limits))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """Return an untrained network."""
    path = tmp_path_factory.mktemp("weights") / "seed_0.safetensors"
    save_file(weights_of(build(DECLARED)), path)
    return Classifier(DECLARED, path, "float32", DATASET.classes)


@FUZZ
@given(
    images=st.one_of(
        ODD,
        arrays.scalar_dtypes().flatmap(arrays_of),
        arrays.arrays(np.float64, (1, 28, 28), elements=PIXELS, fill=st.just(0.0)),
    )
)
def test_any_request_gets_probabilities_or_a_line(classifier: Classifier, images: object) -> None:
    probabilities = answer_or_line(lambda: classifier.probabilities(images), DataError)
    if probabilities is not None:
        assert np.isfinite(probabilities).all()
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)
