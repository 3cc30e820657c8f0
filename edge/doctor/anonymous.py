"""Takes people and places out of text that ends in public bug reports.

Findings are written without names in the first place; this is for what libraries and the system
put in their messages, which is mostly paths.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import sys
from collections.abc import Mapping
from pathlib import Path

# Folders whose names say nothing of a person.
_PUBLIC = ("/proc", "/sys", "/dev", "/etc", "/usr", "/lib", "/bin", "/var/lib/faceguard")
_PATH = re.compile(r"(?<![\w.:/$~])/[^\s:;,'\"()]*")


class Anonymizer:
    """Rewrites paths so that they still help, but name nobody."""

    def __init__(self, folders: Mapping[str, str]) -> None:
        """Takes the folders of this machine.

        Args:
            folders: What to write in place of each absolute path and all below it. Whoever calls
                need not sort them: the longest goes first.
        """
        # "/" as a home or a working folder would rewrite every path there is.
        known = {path.rstrip("/"): name for path, name in folders.items()}
        known = {path: name for path, name in known.items() if path.startswith("/")}
        self._known = [
            (re.compile(rf"(?<![\w.]){re.escape(path)}(?![\w.-])"), name)
            for path, name in sorted(known.items(), key=lambda item: -len(item[0]))
        ]

    @classmethod
    def of_this_machine(cls) -> Anonymizer:
        """Knows the home, the working folder, the environment, and what variables point at."""
        folders: dict[str, str] = {}
        for variable in ("FACEGUARD_MODELS", "FACEGUARD_CATALOGUE", "XDG_DATA_HOME"):
            folders[os.environ.get(variable, "")] = f"${variable}"
        folders[os.environ.get("HOME", "")] = "~"
        with contextlib.suppress(KeyError):  # a user of a container may be in no password file
            folders[pwd.getpwuid(os.getuid()).pw_dir] = "~"
        if sys.prefix != sys.base_prefix:
            folders[sys.prefix] = "VENV"
        with contextlib.suppress(OSError):  # the folder may be removed under our feet
            folders[str(Path.cwd())] = "."
        return cls(folders)

    def clean(self, text: str) -> str:
        """One line of plain ASCII without anyone's folders.

        A path elsewhere keeps its last part only, and only where that is a file's name.
        """
        line = " ".join(text.replace("\0", " ").split())
        for pattern, name in self._known:
            line = pattern.sub(name, line)
        line = _PATH.sub(_shorten, line)
        # Whatever the terminal's or the bug tracker's encoding is, it holds ASCII.
        plain = line.encode("ascii", "backslashreplace").decode()
        return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in plain)


def _shorten(match: re.Match[str]) -> str:
    path = match.group()
    if any(path == public or path.startswith(f"{public}/") for public in _PUBLIC):
        return path
    last = path.rsplit("/", 1)[-1]
    return f".../{last}" if "." in last.strip(".") else "..."
