"""Gather a release into one archive: ``make release``.

It holds the results that git has, the networks' champions that lie here, a bill of materials,
licence and citation, described in forms that others read: Croissant 1.0 for the data set,
RO-Crate 1.3 for all files. It is a function of the commit, the weights and the bill; only a
signature differs each time. Specifications: https://docs.mlcommons.org/croissant and https://w3id.org/ro/crate/1.3.
"""

import json
import mimetypes
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from hashlib import md5, sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fashionbench.analysis.model_card import read_champion
from fashionbench.commands.verify import read_hashes
from fashionbench.datasets import Dataset
from fashionbench.evaluation.scores import best_seed
from fashionbench.files import read_yaml
from fashionbench.params import load_params
from fashionbench.paths import network_table, weights_file
from fashionbench.tables import read_table

_PATHS = (
    *("metrics", "studies", "rebuilds", "networks", "docs/model-card.md", "claims.yaml"),
    *("params.yaml", "datasets.yaml", "dvc.yaml", "dvc.lock", "quick.lock"),
    *("LICENSE", "CITATION.cff", "pyproject.toml", "requirements.txt"),
)
CRATE, CROISSANT = "ro-crate-metadata.json", "croissant.json"
_DESCRIPTIONS = {
    r"metrics/report\.html": "The page: results, verdicts, and how they were made",
    r"metrics/claims\.json": "The verdicts on the claims",
    r"dvc\.lock": "Hashes of all that the results were made of, and of the results",
    r"rebuilds/.*\.json": "Receipt of a rebuild, an in-toto statement",
    r"models/.*\.safetensors": "Weights of a network's best replicate by validation accuracy",
    r"models/.*\.sig": "Signature of the champion, in the form of model_signing",
    r"croissant\.json": "The data set, in Croissant's form",
    r"sbom\.cdx\.json": "Bill of materials of the locked packages, in CycloneDX's form",
}
_NAMES = (
    "citeAs column equivalentProperty extract field fileProperty fileObject fileSet format "
    "includes isLiveDataset jsonPath key md5 parentField path recordSet references regex repeated "
    "replace samplingRate separator source subField transform"
)
_CONTEXT = {
    **{"@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/"},
    **{"cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/"},
    **{"dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo"},
    **{name: {"@id": f"cr:{name}", "@type": "@json"} for name in ("data", "examples")},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{name: f"cr:{name}" for name in _NAMES.split()},
}


def gather() -> dict[str, bytes]:
    """Return the files of a release by path; SystemExit if the workspace is not what git has."""
    if changed := _git("status", "--porcelain", "--untracked-files=no", "--", *_PATHS):
        raise SystemExit(f"a release is of a commit; commit what was edited: {changed}")
    kept = [name for name in _git("ls-files", "--", *_PATHS).splitlines() if "/.git" not in name]
    return {name: Path(name).read_bytes() for name in (*kept, "sbom.cdx.json", *champions())}


def champions() -> list[str]:
    """Return the weights of each network's best replicate; say which are left out, and why."""
    hashes, found = read_hashes(Path("dvc.lock")), []
    for network in load_params().networks:
        scores = read_table(network_table(network, "scores")).query("split == 'val'")
        seed = best_seed(dict(zip(scores["seed"], scores["accuracy"], strict=True)))
        path = weights_file(network, seed)
        if not path.is_file():
            sys.stderr.write(f"left out: {path} is not here; dvc repro or dvc pull brings it\n")
        elif _folder_hash(path.parent) != hashes.get(str(path.parent)):
            sys.stderr.write(f"left out: {path.parent} is not what dvc.lock has; dvc checkout is\n")
        else:
            found.append(str(path))
    return found


def sign(files: Mapping[str, bytes], signer: str, key: str) -> dict[str, bytes]:
    """Return model_signing's signature of the champion; SystemExit if it is not in the release."""
    best, signature = read_champion(), Path("release/champion.sig")
    weights = str(weights_file(best.network, best.seed))
    if weights not in files:
        raise SystemExit(f"KEY={key}: cannot sign {weights}, the champion: it is left out")
    command = [signer, "sign", "key", weights, "--private_key", key, "--signature", str(signature)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return {f"{weights}.sig": signature.read_bytes()}


def describe_dataset(data: Dataset) -> dict[str, Any]:
    """Return the Croissant of a data set: its files and classes, as datasets.yaml declares them."""
    arxiv = re.search(r"arXiv:(\d+\.\d+)", data.source)
    fields = {"classes/label": "sc:Integer", "classes/name": "sc:Text"}
    form = {"@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.0"}
    about = {"name": data.name, "license": data.licence, "citeAs": data.source}
    about |= {"url": f"https://arxiv.org/abs/{arxiv[1]}"} if arxiv else {}
    about["description"] = (
        f"{data.title}: {data.in_words}; {data.shows}. {data.faults} IDX files, unpacked, where "
        "dvc repro puts them; the release has no copy of them."
    )
    files = [
        {"@type": "cr:FileObject", "@id": file.name, "name": file.name, "description": file.role}
        | {"contentUrl": f"data/raw/{file.name}", "contentSize": f"{file.size} B"}
        | {"encodingFormat": "application/octet-stream"}
        | {"sha256": file.sha256 or _sha256_here(Path("data/raw", file.name))}
        for file in data.files
    ]
    classes = {
        "@type": "cr:RecordSet",
        **{"@id": "classes", "name": "classes", "dataType": "sc:Enumeration"},
        "key": {"@id": "classes/label"},
        "field": [
            {"@type": "cr:Field", "@id": field, "name": Path(field).name, "dataType": kind}
            for field, kind in fields.items()
        ],
        "data": [dict(zip(fields, pair, strict=True)) for pair in enumerate(data.classes)],
    }
    return {"@context": _CONTEXT, **form, **about, "distribution": files, "recordSet": classes}


def describe_release(files: Mapping[str, bytes], version: str, made: datetime) -> dict[str, Any]:
    """Return the RO-Crate of a release of these files, ``made`` at the time of its commit."""
    citation = read_yaml(Path("CITATION.cff"))
    title, licence = citation["title"], f"https://spdx.org/licenses/{citation['license']}"
    authors = {f"#author-{number}": who for number, who in enumerate(citation["authors"], 1)}
    results = (name for name in files if name.startswith(("metrics/", "models/")))
    said = f"{citation['abstract']}. Released at commit {_git('rev-parse', 'HEAD')}."
    release = {"name": f"{title} {version}", "description": said}
    release |= {"version": version, "datePublished": made.isoformat()}
    # Not of this commit: what the results were made of may be older.
    made_of = (
        "dvc.lock has the hashes of the code, parameters and data that each result was made of"
    )
    run = {
        "name": "dvc repro",
        "description": made_of,
        "instrument": {"@id": "dvc.yaml"},
        "object": {"@id": CROISSANT},
    }
    links: dict[str, Any] = {"license": {"@id": licence}, "mentions": {"@id": "#run"}}
    links |= {"author": _references(authors), "hasPart": _references(map(quote, files))}
    form = {"conformsTo": {"@id": "https://w3id.org/ro/crate/1.3"}, "about": {"@id": "./"}}
    graph = [
        {"@id": CRATE, "@type": "CreativeWork", **form},
        {"@id": "./", "@type": "Dataset", **release, **links},
        {"@id": licence, "@type": "CreativeWork", "name": citation["license"]},
        *({"@id": key, "@type": "Organization", **who} for key, who in authors.items()),
        {"@id": "#run", "@type": "CreateAction", **run, "result": _references(map(quote, results))},
        *(_describe_file(name, content) for name, content in files.items()),
    ]
    return {"@context": "https://w3id.org/ro/crate/1.3/context", "@graph": graph}


def pack(files: Mapping[str, bytes], archive: Path, made: datetime) -> None:
    """Write the files as a zip archive, and its SHA-256 beside it, as sha256sum has it."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as packed:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, made.timetuple()[:6])
            entry.create_system, entry.external_attr = 3, 0o100644 << 16  # Unix's, on any system.
            packed.writestr(entry, content)
    digest = sha256(archive.read_bytes()).hexdigest()
    Path(f"{archive}.sha256").write_text(f"{digest}  {archive.name}\n")


def _describe_file(name: str, content: bytes) -> dict[str, Any]:
    says = [text for pattern, text in _DESCRIPTIONS.items() if re.fullmatch(pattern, name)]
    about = {"name": name, "description": says[0]} if says else {"name": name}
    about |= {"encodingFormat": mimetypes.guess_type(name)[0] or "application/octet-stream"}
    about |= {"contentSize": str(len(content)), "sha256": sha256(content).hexdigest()}
    return {"@id": quote(name), "@type": "File", **about}


def _sha256_here(path: Path) -> str:
    if not path.is_file():
        raise SystemExit(f"{path}: datasets.yaml has no sha256 of it; dvc repro download brings it")
    return sha256(path.read_bytes()).hexdigest()


def _folder_hash(folder: Path) -> str:  # DVC's, of a folder without folders
    hashes = {file.name: md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}
    files = [{"md5": digest, "relpath": name} for name, digest in sorted(hashes.items())]
    return f"{md5(json.dumps(files).encode()).hexdigest()}.dir"


def _references(names: Iterable[str]) -> list[dict[str, str]]:
    return [{"@id": name} for name in names]


def _git(*words: str) -> str:
    return subprocess.run(
        ["git", *words], check=True, capture_output=True, text=True
    ).stdout.strip()


def main(signing: Sequence[str]) -> None:
    """Write a release of the project in the current folder to release/; sign with (signer, key)."""
    made = datetime.fromtimestamp(int(_git("log", "-1", "--format=%ct")), UTC)
    version = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    Path("release").mkdir(exist_ok=True)
    files = gather()
    files |= sign(files, *signing) if signing else {}
    files[CROISSANT] = json.dumps(describe_dataset(load_params().dataset), indent=1).encode()
    files[CRATE] = json.dumps(describe_release(files, version, made), indent=1).encode()
    archive = Path(f"release/fashionbench-{version}-{_git('rev-parse', '--short=12', 'HEAD')}.zip")
    pack(files, archive, made)
    sys.stdout.write(f"{archive}: {len(files)} files\n")


if __name__ == "__main__":
    main(sys.argv[1:])
