"""``fashionbench predict``: pictures in, classes out, for people and for scripts."""

import csv
import io
import json

import pytest
from PIL import Image
from repositories import CLASSES, Repository

from models import champion_seed, evaluated, thousand


@pytest.mark.slow
@pytest.mark.tries(
    "fashionbench predict",
    "fashionbench predict IMAGE...",
    "fashionbench predict --network n5_batch_norm IMAGE...",
)
def test_predict_names_classes_and_what_it_did_to_the_picture(finished: Repository) -> None:
    image = thousand(finished)[0]
    plain, photograph = (finished.path / ".dvc/tmp" / name for name in ("plain.png", "photo.jpg"))
    Image.fromarray(image).save(plain)
    Image.fromarray(255 - image).convert("RGB").resize((280, 280)).save(photograph)
    command = ("fashionbench", "predict", "--network", "n9_ninth", str(plain), str(photograph))
    first, second, third = finished.run(*command).stdout.splitlines()
    seed = champion_seed(finished, "fashionbench-n9_ninth")
    assert first == f"classified by n9_ninth seed {seed}, version 1 of fashionbench-n9_ninth"
    probabilities = evaluated(finished, "fashionbench-n9_ninth")[0]
    likeliest = int(probabilities.argmax())
    assert second.startswith(f"{plain}: {CLASSES[likeliest]} {probabilities[likeliest]:.1%}, ")
    assert second.endswith("(used as it is)")
    assert "(made grey, inverted, cropped to " in third
    assert "resized from 280 x 280)" in third
    best = finished.run("fashionbench", "predict", str(plain)).stdout.splitlines()[0]
    assert best.endswith("version 1 of fashionbench")


@pytest.mark.slow
@pytest.mark.tries(
    "fashionbench predict --json IMAGE...",
    "fashionbench predict --csv IMAGE...",
)
def test_scripts_can_read_the_answers_also_beside_a_bad_file(finished: Repository) -> None:
    good, bad = (f".dvc/tmp/{name}" for name in ("good.png", "bad.png"))
    Image.fromarray(thousand(finished)[0]).save(finished.path / good)
    (finished.path / bad).write_text("no picture")
    command = ("fashionbench", "predict", "--network", "n9_ninth")
    expected = evaluated(finished, "fashionbench-n9_ninth")[0]
    done = finished.run(*command, "--json", good, bad, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("fashionbench: error: 1 of 2 files is not classified: .dvc/tmp/bad.png")
    answer, _ = json.loads(done.stdout)
    assert answer["file"] == good
    assert answer["class"] == CLASSES[expected.argmax()]
    for label, probability in zip(CLASSES, expected, strict=True):
        assert abs(answer["probabilities"][label] - probability) < 1e-6
    said = finished.run(*command, "--csv", good, bad, check=False).stdout
    rows = list(csv.DictReader(io.StringIO(said)))
    assert [row["class"] for row in rows] == [CLASSES[expected.argmax()], ""]
    assert "is not a PNG" in rows[1]["error"]
