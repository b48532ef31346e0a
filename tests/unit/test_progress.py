"""What is shown of training, on a terminal and in a log."""

import io
from contextlib import suppress
from dataclasses import replace

import pytest
from rich.console import Console
from rich.live import Live
from trainings import made_up_epoch, network

from fashionbench.params import Hyperparameters
from fashionbench.training import progress
from fashionbench.training.epoch import Replicate
from fashionbench.training.progress import TrainingProgress
from fashionbench.training.replicates import FinishedEpoch


@pytest.fixture
def networks(hyperparameters: Hyperparameters) -> dict[str, list[Replicate]]:
    short = replace(hyperparameters, num_epochs=2)
    return {
        name: [
            Replicate(network=network(name=name), hyperparameters=short, seed=seed)
            for seed in (0, 1)
        ]
        for name in ("n2_mlp", "n8_conv")
    }


def show(networks: dict[str, list[Replicate]], terminal: bool) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=terminal, width=120)
    with TrainingProgress(networks, console) as shown:
        for epoch in (1, 2):
            for replicate in networks["n2_mlp"]:
                seed = replicate.seed
                row = made_up_epoch(seed, epoch, train_loss=1.6 + seed / 10, val_accuracy=0.85)
                shown.advance(
                    FinishedEpoch(replicate=replicate, row=row, weights=None, is_restored=False)
                )
    return file.getvalue()


def test_a_log_gets_one_plain_line_an_epoch_with_means(
    networks: dict[str, list[Replicate]],
) -> None:
    del networks["n8_conv"]
    lines = show(networks, terminal=False).splitlines()
    assert len(lines) == 2
    assert lines[0].startswith(
        "n2_mlp: epoch 1/2, train loss 1.6500 accuracy 0.5000, val loss 1.0000 accuracy 0.8500, "
    )
    assert lines[1].endswith("0:00:00 left")
    assert "\x1b" not in "".join(lines)


def test_the_time_left_counts_that_networks_differ_in_their_work(
    networks: dict[str, list[Replicate]], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = {"n2_mlp": 9, "n8_conv": 99}
    monkeypatch.setattr(progress, "forward_products", lambda network: work[network.name])
    clock = iter([0, 10, 20])
    monkeypatch.setattr(progress, "monotonic", lambda: next(clock))
    # In 10 s a tenth of an eleventh of all, in 20 s a fifth of it.
    lines = show(networks, terminal=False).splitlines()
    assert [line.split()[-2] for line in lines] == ["0:03:30", "0:03:20"]


def test_a_terminal_gets_bars_with_scores_and_remaining_time(
    networks: dict[str, list[Replicate]],
) -> None:
    shown = show(networks, terminal=True)
    assert "n2_mlp" in shown
    assert "starting" in shown
    assert "epoch 2" in shown
    assert "val loss 1.0000" in shown
    assert "left" in shown


def test_ctrl_c_at_the_start_of_a_bar_shows_the_cursor_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(_: Live) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Live, "refresh", interrupt)
    file = io.StringIO()
    with (
        suppress(KeyboardInterrupt),
        TrainingProgress({}, Console(file=file, force_terminal=True, width=120)),
    ):
        raise AssertionError
    assert "\x1b[?25l" in file.getvalue()
    assert file.getvalue().endswith("\x1b[?25h")
