"""`faceguard doctor`: what this machine has, what is missing, and how to mend it."""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from faceguard.edge.doctor import (
    cameras,
    encoders,
    engines,
    gpu,
    heat,
    jetson,
    libraries,
    machine,
    models,
    serving,
)
from faceguard.edge.doctor.anonymous import Anonymizer
from faceguard.edge.doctor.finding import Check, State, examine
from faceguard.edge.doctor.showing import show

HELP = "Says what this machine has, what is missing, and how to mend it."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.epilog = (
        "ok: there and working. missing: redacting on the CPU needs it. note: worth knowing. "
        "The exit code is 1 when something is missing, else 0. Nothing that names you or this "
        "machine is shown, so the output can go into a bug report."
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def run(options: argparse.Namespace) -> int:
    """Examines the machine and tells.

    Args:
        options: From `add_arguments`.

    Returns:
        1 when something that redacting on the CPU needs is missing, else 0.
    """
    found = examine(checks(Path("/")), Anonymizer.of_this_machine())
    told = show(found, as_json=options.json)
    faults = [finding.name for finding in told if finding.state is State.MISSING]
    if not options.json:
        end = (
            f"Missing: {', '.join(faults)}."
            if faults
            else "All that redacting on the CPU needs is here."
        )
        sys.stdout.write(f"\n{end}\n")
    return int(bool(faults))


def checks(root: Path) -> list[Check]:
    """Everything that is looked at, in the order of the report.

    Args:
        root: Where `proc`, `sys`, `etc` and `dev` are.
    """
    board = jetson.read_jetson(root)
    package = libraries.check_package
    return [
        Check("system", partial(machine.check_system, root)),
        Check("Python", partial(machine.check_python, board)),
        Check("CPU", partial(machine.check_cpu, root)),
        Check("memory", partial(machine.check_memory, root, board)),
        Check("clock", machine.check_clock),
        Check("disk of this folder", models.check_working_folder),
        Check("Jetson", partial(jetson.check_jetson, root)),
        Check("GPU", partial(gpu.check_gpu, root, board)),
        Check("TensorRT", partial(gpu.check_tensorrt, root, board)),
        Check("pycuda", partial(gpu.check_pycuda, root, board)),
        Check("heat", partial(heat.check_heat, root, board)),
        Check("NumPy", partial(package, "NumPy", "numpy"), needed=True),
        Check("OpenCV", partial(libraries.check_opencv, board), needed=True),
        Check("ONNX Runtime", libraries.check_onnxruntime, needed=True),
        Check("Pillow", partial(package, "Pillow", "pillow"), needed=True),
        Check("pydantic", partial(package, "pydantic", "pydantic"), needed=True),
        Check("PyYAML", partial(package, "PyYAML", "pyyaml"), needed=True),
        Check("tqdm", partial(package, "tqdm", "tqdm"), needed=True),
        Check("onnx", partial(package, "onnx", "onnx", only_for="`faceguard models pull`")),
        Check("PyAV", partial(encoders.check_av, board), needed=True),
        Check("serving", serving.check_serving),
        Check("cameras", partial(cameras.check_cameras, root)),
        Check("model store", models.check_store),
        Check("models", models.check_models, needed=True),
        Check("engines", engines.check_engines),
    ]
