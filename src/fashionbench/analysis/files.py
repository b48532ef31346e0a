"""Files of the analysis: paths and names, importable without pandas or scipy."""

from pathlib import Path

from fashionbench.paths import METRICS_DIR

COMPARISON_FILE = METRICS_DIR / "comparison.csv"
SUMMARY_FILE = METRICS_DIR / "summary.json"
MEAN_CURVES_DIR = METRICS_DIR / "curves"
FIGURES_DIR = METRICS_DIR / "figures"
CLAIMS_FILE = METRICS_DIR / "claims.json"
DUPLICATES_FILE = METRICS_DIR / "duplicates.json"
CALIBRATION_FILE = METRICS_DIR / "calibration.csv"
ROBUSTNESS_FILE = METRICS_DIR / "robustness.csv"
PAIRS_FILE = METRICS_DIR / "pairs.csv"
EXPLANATIONS_FILE = METRICS_DIR / "explanations.json"
PAGE_FILE = METRICS_DIR / "report.html"
LOCK_FILE = Path("dvc.lock")

KINDS = ("loss", "accuracy")
"""The two kinds of scores, as columns of tables and as folders of MEAN_CURVES_DIR."""
