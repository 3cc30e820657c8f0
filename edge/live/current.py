"""The configuration as it is now: read once, and again on SIGHUP."""

from __future__ import annotations

from pathlib import Path

from faceguard.edge.config.model import Config
from faceguard.edge.config.plan import plan_of, scores_of
from faceguard.edge.config.read import read_config
from faceguard.edge.config.reload import Changes, compare, merged
from faceguard.edge.config.secret import read_password
from faceguard.edge.live.detector import detector_entry
from faceguard.edge.pipeline import Plan
from faceguard.engines.catalogue import Scores


class Current:
    """What the rooms ask for at each frame; replaced as a whole, so any thread may look.

    Attributes:
        config: The configuration.
        scores: What a face needs to be believed.
        plan: How frames are judged and covered.
    """

    def __init__(self, config: Config, path: Path) -> None:
        """Works out what follows from the configuration.

        Args:
            config: What was read.
            path: Where from.

        Raises:
            FaceguardError: The detector that it names is not known, or a password cannot be read.
        """
        self._path = path
        self._entry = detector_entry(config.detector)
        self._passwords = _passwords(config)
        self.config: Config = config
        self.scores: Scores = scores_of(config.detector, self._entry)
        self.plan: Plan = plan_of(config, self.scores)

    def reload(self) -> Changes:
        """Reads the file again; what can change while it runs does so with the next frame.

        Returns:
            Which keys changed, and which of them wait for a restart.

        Raises:
            UsageError: The file does not hold what it should; everything stays as it was.
        """
        new = read_config(self._path)
        passwords = _passwords(new)
        changes = compare(self.config, new)
        for key, password in passwords.items():
            # Another word in the same file is a change that nobody sees in the configuration.
            if key not in changes.restart and self._passwords.get(key) != password:
                changes.restart.append(key)
        if changes.live:
            config = merged(self.config, new)
            scores = scores_of(config.detector, self._entry)
            plan = plan_of(config, scores)
            self.config, self.scores, self.plan = config, scores, plan
        return changes


def _passwords(config: Config) -> dict[str, str]:
    """What the outputs' password files hold, by the keys that name them."""
    found = {}
    for name, part in (("rtsp", config.outputs.rtsp), ("mjpeg", config.outputs.mjpeg)):
        if part is not None and part.password_file is not None:
            found[f"outputs.{name}.password_file"] = read_password(part) or ""
    return found
