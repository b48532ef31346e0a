"""Stage ``check``: refuse wrong parameters, data sets and claims, before any output is touched.

DVC deletes a stage's outputs before it runs the stage. So errors are found by a first stage that
all others wait for; its own output is always the same.
"""

import logging
import re
from collections.abc import Set
from pathlib import Path

from fashionbench.claims.language import read_declared
from fashionbench.data.splits import check_sizes
from fashionbench.errors import ConfigError
from fashionbench.files import replace_file
from fashionbench.messages import counted
from fashionbench.networks import own
from fashionbench.params import OF_IMAGES, Device, Params, load_params
from fashionbench.paths import describe_not_copied, in_workspace, network_file
from fashionbench.pipeline.dependencies import PIPELINE_FILE
from fashionbench.pipeline.machine import available_memory
from fashionbench.portable import processor
from fashionbench.training.costs import check_memory

CHECKED_FILE = Path("data/checked")

_log = logging.getLogger(__name__)


def run() -> None:
    """Check claims.yaml, and params.yaml against data and machine. Raises ConfigError."""
    _check_code()
    params = load_params()
    read_declared()
    check_sizes(params.dataset, params.train_size, params.val_size)
    _check_rest(params)
    processor.check_processor()
    if not processor.is_x86():
        _log.warning(
            "results are repeatable on this processor, but their bits differ from the committed "
            "ones, which are those of x86-64 processors"
        )
    for name, network in params.networks.items():
        for key in OF_IMAGES:
            if key in network.own:
                raise ConfigError(
                    f"networks.{name}.own.{key} = {network.own[key]!r}: is for studies; the "
                    "project's networks all have the same images"
                )
    _check_devices({params.of(name).device for name in params.networks})
    _check_modules(params)
    check_memory(params, available_memory())
    for name in params.networks:
        replace_file(network_file(name), own.facts_of(params.network(name)))
    replace_file(CHECKED_FILE, b"params.yaml can be trained\n")


def _check_code() -> None:
    """Raise ConfigError for code in dvc.yaml that is not in DVC's copy of the project."""
    if in_workspace():
        return
    for file in re.findall(r"^ +- (src/\S+)$", PIPELINE_FILE.read_text(), flags=re.M):
        if not Path(file).exists():
            raise ConfigError(describe_not_copied(file))


def _check_rest(params: Params) -> None:
    """Raise ConfigError if the split leaves images over, but too few to be drawn by class."""
    dataset, classes = params.dataset, len(params.dataset.classes)
    drawn = params.train_size + params.val_size * (1 if dataset.has_test_part else 2)
    left = dataset.labelled_images - drawn
    if 0 < left < classes:
        raise ConfigError(
            f"train_size = {params.train_size}: leaves {counted(left, 'image')} over, fewer than "
            f"there are classes; make it {left} larger, or {classes - left} smaller"
        )


def _check_modules(params: Params) -> None:
    """Check modules of the user's own, and say which networks have bits of this processor only."""
    # Imported here: torch takes two seconds.
    from fashionbench.networks.inspection import inspect_module
    from fashionbench.training.costs import outside_of_the_table

    for name in params.networks:
        network, hyperparameters = params.network(name), params.of(name).hyperparameters
        if network.module:
            size = hyperparameters.batch_size
            inspect_module(network, {size, params.train_size % size} - {0})
        outside = outside_of_the_table(network, hyperparameters)
        if outside:
            _log.warning(
                f"{name}: its bits hold for this kind of processor only, because of "
                f"{', '.join(outside)}"
            )


def _check_devices(devices: Set[Device]) -> None:
    if devices != {"cpu"}:
        # Imported here: torch takes two seconds.
        from fashionbench.data.examples import check_device

        for device in devices:
            check_device(device)
