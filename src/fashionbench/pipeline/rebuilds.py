"""Receipts of rebuilds: which results were remade, from what, on what machine, with what outcome.

A receipt is an in-toto statement whose predicate is SLSA's provenance, so that tools which sign
those can sign it: https://in-toto.io/Statement/v1 and https://slsa.dev/provenance/v1. Its subject
is all outputs that were made, by one digest; those that differ from the committed ones are listed,
and the others are in the lock of the commit. docs/receipt.schema.json has the form.
"""

import hashlib
import json
import os
import platform
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
)
from pydantic.alias_generators import to_camel

from fashionbench.errors import DataError
from fashionbench.files import replace_file
from fashionbench.messages import in_one_line
from fashionbench.portable import processor

FOLDER = Path("rebuilds")
PACKAGES_LOCK = Path("requirements.txt")
NOBODY = "urn:fashionbench:unnamed"
"""Stands for whoever remade results and gave no name: SLSA wants a URI."""
SHORT = 7
"""Digits of a commit's hash in a text."""
IDENTICAL: Literal["identical"] = "identical"
_URI = r"^[a-z][a-z0-9+.-]*:\S+$"
_MODEL = "QEMU_CPU"
"""Names the processor that qemu emulates."""

Outcome = Literal["identical", "different", "not comparable"]
Hex = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40,64}$")]
Text = Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Record(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True
    )


class Resource(_Record):
    """A file, a commit or a set of outputs, by its name and its digests."""

    name: Text
    digest: dict[Literal["sha256", "gitCommit"], Hex]


class Run(_Record):
    """What was run: the pipeline of a lock, of the project or of a study, with settings."""

    lock: Text
    study: str | None
    settings: list[str]


class Machine(_Record):
    """Where it ran. ``emulator`` is empty on a processor that is there."""

    processor: Text
    features: list[str]
    emulator: str
    system: Text
    python: Text
    torch: Text
    mkl: str
    onednn: str


class BuildDefinition(_Record):
    """What was to be made: of SLSA. The dependencies are the commit and the locks in it."""

    build_type: Literal["urn:fashionbench:verify"]
    external_parameters: Run
    internal_parameters: Machine
    resolved_dependencies: Annotated[list[Resource], Field(min_length=2)]


class Builder(_Record):
    """Who made it, as a URI; :data:`NOBODY` without a name."""

    id: Annotated[str, StringConstraints(pattern=_URI)]


class Metadata(_Record):
    """When it was made."""

    started_on: AwareDatetime
    finished_on: AwareDatetime


class Output(_Record):
    """An output of a stage with its committed and its new hash, None where a lock lacks it."""

    path: Text
    committed: str | None
    now: str | None

    @property
    def is_identical(self) -> bool:
        """Whether the output was reproduced to the last bit."""
        return self.committed is not None and self.committed == self.now


class Comparison(_Record):
    """What came out, beside what is committed."""

    outcome: Outcome
    outputs: Annotated[int, Field(gt=0)]
    differences: list[Output]


class RunDetails(_Record):
    """How it went: of SLSA, with a comparison of our own, named as SLSA names extensions."""

    builder: Builder
    metadata: Metadata
    comparison: Annotated[Comparison, Field(alias="fashionbench_comparison")]


class Predicate(_Record):
    """SLSA's provenance."""

    build_definition: BuildDefinition
    run_details: RunDetails


class Receipt(_Record):
    """A statement that results were remade."""

    type: Annotated[Literal["https://in-toto.io/Statement/v1"], Field(alias="_type")]
    subject: Annotated[list[Resource], Field(min_length=1, max_length=1)]
    predicate_type: Literal["https://slsa.dev/provenance/v1"]
    predicate: Predicate

    @property
    def run(self) -> Run:
        """What was run."""
        return self.predicate.build_definition.external_parameters

    @property
    def machine(self) -> Machine:
        """Where it ran."""
        return self.predicate.build_definition.internal_parameters

    @property
    def comparison(self) -> Comparison:
        """What came out."""
        return self.predicate.run_details.comparison

    @property
    def metadata(self) -> Metadata:
        """When it was made."""
        return self.predicate.run_details.metadata

    @property
    def by(self) -> str:
        """Who made it."""
        return self.predicate.run_details.builder.id

    @property
    def commit(self) -> str:
        """The full hash of the commit that was run; empty if none is named."""
        dependencies = self.predicate.build_definition.resolved_dependencies
        return next((d.digest["gitCommit"] for d in dependencies if "gitCommit" in d.digest), "")

    @property
    def size(self) -> str:
        """``full``, the name of another lock such as ``quick``, or that of a study."""
        whole = "full" if self.run.lock.endswith("dvc.lock") else Path(self.run.lock).stem
        return f"study {self.run.study}" if self.run.study else whole

    @property
    def kind(self) -> str:
        """The kind of processor, in words."""
        return self.machine.processor + " (emulated)" * bool(self.machine.emulator)

    @property
    def file(self) -> Path:
        """Where the receipt belongs: a repetition on the same day replaces it."""
        day = self.metadata.started_on.strftime("%Y%m%d")
        words = " ".join((self.commit[:SHORT], self.size, self.kind, day)).lower()
        return FOLDER / f"{re.sub(r'[^a-z0-9]+', '-', words)}.json"


def write_receipt(
    commit: str,
    run: Run,
    files: Mapping[str, bytes],
    hashes: Mapping[str, str],
    comparison: Comparison,
    times: Metadata,
    by: str,
) -> Path:
    """Write the receipt of a rebuild into :data:`FOLDER`, and return its path.

    ``files`` are the locks of outputs and of packages as committed, ``hashes`` those of the outputs
    that were made. Raises OSError, and pydantic's ValidationError if ``by`` is no URI.
    """
    resources = [Resource(name="source", digest={"gitCommit": commit})]
    resources += [
        Resource(name=name, digest={"sha256": hashlib.sha256(content).hexdigest()})
        for name, content in files.items()
    ]
    receipt = Receipt(
        type="https://in-toto.io/Statement/v1",
        subject=[Resource(name=f"outputs of {run.lock}", digest={"sha256": digest_of(hashes)})],
        predicate_type="https://slsa.dev/provenance/v1",
        predicate=Predicate(
            build_definition=BuildDefinition(
                build_type="urn:fashionbench:verify",
                external_parameters=run,
                internal_parameters=this_machine(),
                resolved_dependencies=resources,
            ),
            run_details=RunDetails(builder=Builder(id=by), metadata=times, comparison=comparison),
        ),
    )
    receipt.file.parent.mkdir(exist_ok=True)
    replace_file(receipt.file, (receipt.model_dump_json(by_alias=True, indent=2) + "\n").encode())
    return receipt.file


def read_receipt(path: Path) -> Receipt:
    """Read a receipt; DataError if it cannot be read, or has another form."""
    try:
        text = path.read_bytes()
        json.loads(text, object_pairs_hook=_without_repetition)
        return Receipt.model_validate_json(text, strict=True, by_alias=True, by_name=False)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); name a receipt") from error
    except (ValueError, RecursionError) as error:
        place, why = "the whole", str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            place, why = ".".join(map(str, first["loc"])) or place, first["msg"]
        raise DataError(
            f"{path} is not a receipt: {place}: {in_one_line(why)}; make verify writes them"
        ) from error


def _without_repetition(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return a JSON object; ValueError if a key stands there twice: readers take either value."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError(f"a key of {', '.join(found)} stands there twice")
    return found


def read_receipts(folder: Path = FOLDER) -> list[Receipt]:
    """Read all receipts, the latest last; DataError as of :func:`read_receipt`."""
    receipts = [read_receipt(path) for path in sorted(folder.glob("*.json"))]
    return sorted(receipts, key=lambda receipt: receipt.metadata.started_on)


def is_uri(text: str) -> bool:
    """Return whether a text can name whoever remade results."""
    return re.fullmatch(_URI, text) is not None


def digest_of(hashes: Mapping[str, str]) -> str:
    """Return one sha256 of DVC's hashes of outputs: of a line ``hash  path`` for each, sorted."""
    lines = "".join(f"{hashes[path]}  {path}\n" for path in sorted(hashes))
    return hashlib.sha256(lines.encode()).hexdigest()


def summarise(receipts: Iterable[Receipt]) -> dict[str, str]:
    """Return for each size where its latest commit with a receipt was remade to the last bit."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for receipt in receipts:
        if receipt.comparison.outcome == IDENTICAL:
            found[receipt.size][receipt.commit].add(receipt.kind)
    return {
        f"{size}, commit {list(commits)[-1][:SHORT]}": ", ".join(sorted(list(commits.values())[-1]))
        for size, commits in found.items()
    } or {"none": "make verify leaves a receipt"}


def this_machine() -> Machine:
    """Return the processor as this process meets it, also emulated, and what computes on it."""
    # Imported here: torch takes seconds, and stages that read receipts need none.
    import torch

    emulator, libraries = emulated_by(), numeric_libraries()
    # torch asks the processor itself; the version for arm64 cannot. Linux would name the real one.
    features: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    return Machine(
        processor=os.environ.get(_MODEL, "unknown") if emulator else processor.name(),
        features=sorted(name for name, there in features.items() if there is True),
        emulator=emulator,
        system=" ".join((platform.system(), platform.machine(), *platform.libc_ver())).strip(),
        python=platform.python_version(),
        torch=version("torch"),
        mkl=libraries.get("MKL", ""),
        onednn=libraries.get("oneDNN", ""),
    )


def emulated_by() -> str:
    """Return the emulator that runs this process, such as qemu-x86_64; empty if none does.

    qemu shows a process most things as they are without it, but not this one.
    """
    try:
        command = Path("/proc/self/comm").read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    return command if command.startswith("qemu-") else ""


def numeric_libraries() -> dict[str, str]:
    """Return the versions of MKL and oneDNN that torch was built with."""
    import torch

    found = re.findall(
        r"(?:\(R\) (oneAPI Math Kernel Library|MKL-DNN))[^\d]*([\d.]+)", torch.__config__.show()
    )
    names = {"oneAPI Math Kernel Library": "MKL", "MKL-DNN": "oneDNN"}
    return {names[name]: number for name, number in found}
