"""No command that somebody is told to type is left untried."""

from readme import offered, tried


def test_every_command_of_the_documents_the_makefile_and_mlproject_is_run_by_a_test() -> None:
    commands = offered()
    of_the_readme = {"make", "make quick", "make test", "dvc repro"}
    assert of_the_readme | {"make docs", "dvc queue logs NAME", "mlflow run -e main"} <= commands
    assert commands - tried() == set()


def test_no_test_claims_to_try_a_command_that_is_nowhere_offered() -> None:
    assert tried() - offered() == set()
