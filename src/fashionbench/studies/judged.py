"""Judges a study's claims, and the report's own where it has more seeds or another loss."""

from collections.abc import Mapping

import pandas as pd

from fashionbench.analysis.claims import CLAIMS
from fashionbench.analysis.pairs import compare_pairs
from fashionbench.analysis.results import Results
from fashionbench.analysis.verdicts import judge
from fashionbench.params import LossInput
from fashionbench.studies.arms import read_arm
from fashionbench.studies.claims import claims_of
from fashionbench.studies.design import Design
from fashionbench.studies.effects import effects_of
from fashionbench.studies.records import StudyArmRecord

Arms = Mapping[LossInput, Results]


def read_arms(design: Design) -> Arms:
    """Read the results of all points by loss. Raises DataError if a table is missing."""
    return {loss_input: read_arm(design, loss_input) for loss_input in design.study.losses}


def judge_arms(design: Design, arms: Arms) -> dict[LossInput, StudyArmRecord]:
    """Judge all claims by loss; those of the study are a family of tests in each arm."""
    claims, numbers = claims_of(design), design.study.report_claims
    return {
        loss_input: StudyArmRecord(
            claims=judge(claims, results),
            effects=effects_of(design, results),
            report=tuple(judge(CLAIMS, read_arm(design, loss_input, most)) for most in numbers),
        )
        for loss_input, results in arms.items()
    }


def pairs_of(arms: Arms) -> pd.DataFrame:
    """Compare all pairs of networks in each arm, as the project's own arm does."""
    return pd.concat([compare_pairs(results) for results in arms.values()], ignore_index=True)
