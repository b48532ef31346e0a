"""What is shown of training, on a terminal and in a log."""

import io

from rich.console import Console

from fashionbench.training.epoch import Epoch
from fashionbench.training.progress import TrainingProgress
from fashionbench.workers.at_once import Bars


def row(seed: int, epoch: int) -> Epoch:
    return Epoch(
        seed=seed,
        epoch=epoch,
        train_objective=1.7,
        train_loss=1.6 + seed / 10,
        train_accuracy=0.8,
        val_loss=1.5,
        val_accuracy=0.85,
    )


def show(terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120)
    with TrainingProgress("n2_mlp", num_epochs=2, replicates=2, console=console) as progress:
        for epoch in (1, 2):
            for seed in (0, 1):
                progress.advance(row(seed, epoch))
    return file.getvalue()


def test_a_log_gets_one_plain_line_an_epoch_with_means() -> None:
    lines = show(terminal=False).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "n2_mlp: epoch 1/2, train loss 1.6500 accuracy 0.8000, val loss 1.5000 accuracy 0.8500, "
    )
    assert lines[1].endswith("0:00:00 left")
    assert "\x1b" not in "".join(lines)


def test_a_terminal_gets_a_bar_with_scores_and_remaining_time() -> None:
    shown = show(terminal=True)
    assert "n2_mlp" in shown
    assert "epoch 2" in shown
    assert "val loss 1.5000" in shown
    assert "left" in shown


def test_a_log_of_many_networks_gets_a_line_for_each_tenth_of_one() -> None:
    file = io.StringIO()
    with Bars(Console(file=file, force_terminal=False)) as bars:
        bars.add("n2_mlp", 3)
        bars.add("n8_conv", 40)
        for _ in range(5):
            bars.advance("n8_conv")
        bars.advance("n2_mlp")
        for _ in range(3):
            bars.advance("n8_conv")
        bars.finish("n8_conv", 2)
    assert file.getvalue().splitlines() == [
        "n8_conv: 4 of 40 epochs",
        "n2_mlp: 1 of 3 epochs",
        "n8_conv: 8 of 40 epochs",
        "n8_conv: 2 replicates are finished",
    ]
