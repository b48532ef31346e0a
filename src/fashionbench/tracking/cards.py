"""Keeps the model card with the champion of all networks in the registry."""

from mlflow import MlflowClient

from fashionbench.analysis.model_card import read_champion, write_card
from fashionbench.params import Params
from fashionbench.pipeline.identity import digest
from fashionbench.tracking.registry import BEST_MODEL, CHAMPION

CARD_TAG = "fashionbench.card_sha256"
"""Tags a version with a digest of its card, by which one that its user has changed is known."""


def describe_champion(client: MlflowClient, params: Params) -> None:
    """Make the model card of the workspace's results the champion's description.

    A description that its user has changed stays. Raises DataError if a table is missing.
    """
    champion = client.get_model_version_by_alias(BEST_MODEL, CHAMPION)
    ours = champion.tags.get(CARD_TAG)
    card = write_card(read_champion(), params)
    if digest(card) == ours or (ours and digest(champion.description) != ours):
        return
    client.update_model_version(BEST_MODEL, champion.version, card)
    client.set_model_version_tag(BEST_MODEL, champion.version, CARD_TAG, digest(card))
