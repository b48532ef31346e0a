"""The champion's description in MLflow's registry is the model card, unless its user changed it."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from fashionbench.analysis import model_card
from fashionbench.params import Params
from fashionbench.tracking.registry import BEST_MODEL, CHAMPION, describe_champion


@pytest.fixture
def client(tmp_path: Path) -> MlflowClient:
    """Make a store with a champion."""
    client = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    client.create_registered_model(BEST_MODEL)
    version = client.create_model_version(BEST_MODEL, source=str(tmp_path), description="new")
    client.set_registered_model_alias(BEST_MODEL, CHAMPION, version.version)
    return client


def test_the_card_is_renewed_with_the_results_but_not_over_a_users_words(
    client: MlflowClient, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def described(results: str) -> str:
        monkeypatch.setattr(model_card, "read_champion", lambda: results)
        monkeypatch.setattr(model_card, "write_card", lambda champion, _: f"card of {champion}")
        describe_champion(client, params)
        return str(client.get_model_version_by_alias(BEST_MODEL, CHAMPION).description)

    assert described("first") == "card of first"
    assert described("second") == "card of second"
    client.update_model_version(BEST_MODEL, "1", "what I think")
    assert described("third") == "what I think"
