"""The report's claims, as the project declares them."""

from pathlib import Path

from fashionbench.claims.quantities import load_claims

CLAIMS = load_claims(Path(__file__).parents[2] / "claims.yaml")
