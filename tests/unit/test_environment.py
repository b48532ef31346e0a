"""Facts about the machine, also where something of them is not known."""

from importlib.metadata import PackageNotFoundError

import pytest

from fashionbench.pipeline import environment


def test_code_that_is_not_installed_has_no_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(package: str) -> str:
        if package == "fashionbench":
            raise PackageNotFoundError(package)
        return "1.0"

    monkeypatch.setattr(environment, "version", version)
    facts = environment.describe()
    assert "version.fashionbench" not in facts
    assert facts["version.torch"] == "1.0"
