"""What somebody is told to type is tried, and nothing else claims to be."""

from readme import offered, tried


def test_every_command_of_the_documents_the_makefile_and_mlproject_is_run_by_a_test() -> None:
    commands = offered()
    of_the_readme = {"make", "make quick", "make test", "dvc repro"}
    assert of_the_readme | {"make docs", "dvc queue logs NAME", "mlflow run -e main"} <= commands
    assert tried() == commands
