"""Stage ``analyse`` of a study: judge its claims, draw its figures, and write its page."""

from fashionbench.analysis.pairs import write_pairs
from fashionbench.analysis.result_files import COMPARISON_FILE, FIGURES_DIR, PAGE_FILE
from fashionbench.errors import ConfigError
from fashionbench.page import figures
from fashionbench.page.page import describe_origin, render_study
from fashionbench.page.study_figures import figures_of
from fashionbench.params import PARAMS_FILE, load_params
from fashionbench.paths import project_folder
from fashionbench.studies.design import STUDY_FILE, Design, read_study
from fashionbench.studies.obtained import missing_datasets, with_data
from fashionbench.studies.outcomes import judge_arms, pairs_of, read_arms
from fashionbench.studies.records import DatasetRecord, StudyRecord, write_record
from fashionbench.tables import read_table


def run() -> None:
    """Analyse the study in the current folder.

    Raises ConfigError for a wrong study.yaml, DataError if a table of results is missing.
    """
    study, own = read_study(), load_params()
    design = Design(study, load_params(project_folder() / PARAMS_FILE))
    if list(own.networks) != [point.name for point in design.points]:
        raise ConfigError(f"{PARAMS_FILE} does not match {STUDY_FILE}; run make deps")
    missing = missing_datasets(own)
    design = design.without(missing)
    images = own.own_images
    if study.transfers and own.dataset.name in design.images:
        images = {own.dataset.name: own, **images}
    arms = read_arms(design)
    drawn = figures_of(design, arms, read_table(COMPARISON_FILE))
    for figure in drawn:
        figures.save_svg(figure.figure, FIGURES_DIR / f"{figure.record.name}.svg")
    record = StudyRecord(
        title=study.title,
        question=" ".join(study.question.split()),
        points=len(design.points),
        replicates=sum(len(point.seeds) for point in design.points),
        arms=judge_arms(design, arms),
        figures=tuple(figure.record for figure in drawn),
        datasets={
            name: DatasetRecord(
                title=of_images.dataset.title
                + ("" if name == of_images.dataset.name else f" ({name.replace('_', ' ')})"),
                train_size=of_images.train_size,
                val_size=of_images.val_size,
                is_missing=of_images.dataset.name in missing,
            )
            for name, of_images in images.items()
        },
    )
    write_record(record)
    if study.report_claims:
        write_pairs(pairs_of(arms))
    svg = {figure.record.name: figures.svg_text(figure.figure) for figure in drawn}
    PAGE_FILE.write_text(
        render_study(record, svg, describe_origin(with_data(own))), encoding="utf-8"
    )
