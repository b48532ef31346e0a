"""``make release``: the archive is reproducible, signed if wanted, and its metadata are valid."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from installed import install
from repositories import Repository, copy_files

PACKAGES = ("mlcroissant", "roc-validator", "rocrate", "model_signing", "pyopenssl")
# The validator would ask the web for the context, of which rocrate has a copy.
VALIDATE = """
import sys
from importlib.resources import files
import requests
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester

def get(_, url, **__):
    answer = requests.Response()
    answer.status_code, answer.url = 200, url
    answer._content = files("rocrate").joinpath("data/ro-crate.jsonld").read_bytes()
    answer.headers["Content-Type"] = "application/ld+json"
    return answer

HttpRequester.get = get
result = services.validate(
    services.ValidationSettings(
        rocrate_uri=sys.argv[1],
        profile_identifier="ro-crate-1.3",
        requirement_severity=models.Severity.REQUIRED,
    )
)
sys.exit("; ".join(sorted({str(issue.message) for issue in result.get_issues()})) or None)
"""


@pytest.fixture(scope="module")
def validators(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the standards' own packages, and return the folder of their commands."""
    folder = tmp_path_factory.mktemp("validators")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin/python")]
    install = [*pip, "install", "--quiet", "--no-compile", *PACKAGES]
    if subprocess.run(install, check=False, capture_output=True).returncode:
        pytest.skip(f"cannot install {', '.join(PACKAGES)}")
    return folder / "bin"


@pytest.mark.packages
@pytest.mark.tries("make release")
def test_a_release_is_reproducible_and_valid(
    copied: Repository, validators: Path, tmp_path: Path
) -> None:
    copy_files(copied.path, "LICENSE", "CITATION.cff", "docs/model-card.md")
    install(copied)
    (copied.path / "sbom.cdx.json").write_text("{}")  # A test of its own makes one.

    copied.run("make", "release")
    (archive,) = (copied.path / "release").glob("*.zip")
    first = archive.read_bytes()
    copied.run("make", "release")
    assert archive.read_bytes() == first
    copied.run("sh", "-c", "cd release && sha256sum --check *.sha256")

    key, public, crate = (tmp_path / name for name in ("key.pem", "public.pem", "crate"))
    copied.run("openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
    copied.run("openssl", "ec", "-in", str(key), "-pubout", "-out", str(public))
    copied.run("python", "tools/release.py", str(validators / "model_signing"), str(key))
    zipfile.ZipFile(archive).extractall(crate)
    (signature,) = crate.rglob("*.sig")
    verify = [str(validators / "model_signing"), "verify", "key", str(signature.with_suffix(""))]
    copied.run(*verify, "--signature", str(signature), "--public_key", str(public))

    copied.run(str(validators / "mlcroissant"), "validate", "--jsonld", f"{crate}/croissant.json")
    copied.run(str(validators / "python"), "-c", VALIDATE, str(crate))
    graph = json.loads((crate / "ro-crate-metadata.json").read_text())["@graph"]
    described = {entity["name"] for entity in graph if entity["@type"] == "File"}
    packed = {str(file.relative_to(crate)) for file in crate.rglob("*") if file.is_file()}
    assert described == packed - {"ro-crate-metadata.json"}
    networks = {Path(name).parent.name for name in packed if name.endswith(".safetensors")}
    assert networks == {"n2_mlp", "n4_dropout", "n9_ninth"}

    with (copied.path / "params.yaml").open("a") as params:
        params.write("# edited\n")
    assert "commit what was edited" in copied.run("make", "release", check=False).stderr
