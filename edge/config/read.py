"""Reading the configuration: from a file to a `Config`, or every reason why not."""

from __future__ import annotations

from pathlib import Path

from faceguard.edge.config.model import Config
from faceguard.edge.config.part import FOLDER
from faceguard.engines.errors import UsageError
from faceguard.engines.small_file import read_small
from faceguard.engines.wanted import MOST_BYTES, beside
from faceguard.engines.yaml_file import checked, why


def read_config(path: Path) -> Config:
    """Reads a configuration.

    Relative paths in it are as seen from its own folder, and `~` is the home of whoever runs this.
    No environment variable is looked at.

    Args:
        path: The YAML file.

    Raises:
        UsageError: It cannot be read or does not hold what it should. The message has a line for
            each thing that is wrong, ``FILE:LINE: key.path: reason``, and no value of keys that
            may hold secrets.
    """
    text = read_small(path, "the configuration", MOST_BYTES)
    try:
        folder = path.absolute().parent
    except OSError as error:
        raise UsageError(f"{path}: the folder that it is in is gone: {why(error)}") from error
    config = checked(text, str(path), Config, {FOLDER: folder})
    return config.model_copy(update={"engines": beside(folder, config.engines)})
