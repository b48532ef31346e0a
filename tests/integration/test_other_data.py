"""The pipeline on other data sets than Fashion-MNIST: a small one, and pictures of one's own."""

import json

import numpy as np
import pytest
from PIL import Image
from repositories import Repository, make_repository
from ruamel.yaml import YAML

from fashionbench.data.splits import load_split

CLASSES = ('a "quoted" one', "<b>bold & $x$", "NA")


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a repository in which one network of one seed is to be trained on any data set."""
    made = make_repository(tmp_path_factory.mktemp("other") / "repository")
    repository = Repository(made.path, {"FASHIONBENCH_DATA": ""})
    networks = YAML(typ="safe").load((made.path / "params.yaml").read_text())["networks"]
    kept = {"n9_ninth": networks["n9_ninth"]}
    repository.change_params(seeds=[0], num_epochs=1, networks=kept)
    repository.run("git", "commit", "-qam", "one network")
    return repository


@pytest.mark.slow(minutes=2)
@pytest.mark.tries("dvc exp run -S dataset=digits")
def test_digits_need_no_more_than_their_name(small: Repository) -> None:
    small.run("dvc", "exp", "run", "-S", "dataset=digits")
    test = load_split(small.path / "data/prepared/test.safetensors")
    assert test.images.shape == (300, 8, 8)
    assert np.bincount(test.labels).min() > 20
    page = (small.path / "metrics/report.html").read_text()
    assert "<h1>Networks on Digits of 8 x 8 pixels, compared</h1>" in page
    assert "claims.yaml are about fashion_mnist" in page
    assert "claims.yaml are about fashion_mnist" in small.run("fashionbench", "verdicts").stdout
    picture = small.path / ".dvc/tmp/seven.png"
    Image.fromarray(test.images[0]).resize((80, 80)).save(picture)
    (answer,) = json.loads(small.run("fashionbench", "predict", "--json", str(picture)).stdout)
    assert sorted(answer["probabilities"]) == [str(digit) for digit in range(10)]


@pytest.mark.slow(minutes=2)
@pytest.mark.tries("fashionbench dataset add NAME FOLDER")
def test_a_folder_of_pictures_goes_through_the_pipeline(small: Repository) -> None:
    generator = np.random.default_rng(0)
    folder = small.path / ".dvc/tmp/mine"
    for label, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(60):
            pixels = generator.integers(80, size=(10, 12, 3), dtype=np.uint8)
            pixels[..., label] += 150
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    said = small.run("fashionbench", "dataset", "add", "mine", str(folder)).stdout
    assert "180 coloured images of 10 x 12 pixels" in said
    small.run("dvc", "exp", "run", "-S", "dataset=mine", "-S", "num_epochs=3")
    page = (small.path / "metrics/report.html").read_text()
    assert "<h1>Networks on mine, compared</h1>" in page
    assert "<b>bold" not in page
    assert "&lt;b&gt;bold" in page
    picture = str(folder / CLASSES[0] / "7.png")
    (answer,) = json.loads(small.run("fashionbench", "predict", "--json", picture).stdout)
    assert set(answer["probabilities"]) == {*CLASSES}
