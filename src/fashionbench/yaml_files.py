"""The repository's YAML files, read safely and with one line for whatever is wrong."""

from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fashionbench.errors import ConfigError
from fashionbench.messages import in_one_line

# What ruamel raises besides its own errors, for values such as 2001-13-45, !!bool x or [[[[....
_YAML_ERRORS = (
    YAMLError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def read_yaml(path: Path) -> Any:
    """The content of a YAML file of the repository; ConfigError if it is missing or is none.

    Read as YAML 1.2, as DVC does: 1e-3 is a number, and a duplicate key is refused. The loader is
    the safe one: it makes mappings, lists and plain values, and never objects.
    """
    try:
        return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} cannot be read ({error}); run from the repository's top folder"
        ) from error
    except _YAML_ERRORS as error:
        raise ConfigError(f"{path} is not YAML: {in_one_line(str(error))}") from error
