"""How the three floors become one distribution.

The folders stand at the top of the repository (``edge/``, ``engines/``, ``convert/``) and are
imported as ``faceguard.edge`` and so on. Each floor registers its own commands under the entry
point group ``faceguard.commands``, so that no floor has to import another to be reachable from
the command line.
"""

from pathlib import Path

from setuptools import find_packages, setup

FLOORS = ("edge", "engines", "convert")


def packages() -> dict[str, str]:
    """Maps each import name to its folder."""
    found = {"faceguard.configs": "configs"}
    for floor in FLOORS:
        found[f"faceguard.{floor}"] = floor
        for inner in find_packages(floor):
            found[f"faceguard.{floor}.{inner}"] = f"{floor}/{inner.replace('.', '/')}"
    return found


CPU = [
    "av>=17.0",
    "onnxruntime>=1.19",
    "opencv-python-headless>=4.8",
]
CONVERT = [
    "onnx>=1.16",
    "onnxruntime>=1.19",
    "tflite>=2.18",
]
# The one TensorRT that builds engines without a GPU; there are wheels for x86-64 only.
RTX = [
    f"tensorrt-rtx-cu13-{part}>=1.7.1; platform_machine == 'x86_64' and sys_platform == 'linux'"
    for part in ("libs", "bindings")
]
# Forms are read by python-multipart itself: what it had before 0.0.18 could be kept busy for ever.
WEB = ["python-multipart>=0.0.18", "starlette>=0.37", "uvicorn>=0.29"]
NVML = ["nvidia-ml-py>=12.535"]
PLOT = ["matplotlib>=3.7"]

setup(
    name="faceguard-edge",
    version="0.1.0",
    description="The camera that cannot leak a face: on-device redaction for NVIDIA Jetson and PC",
    long_description=Path("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=list(packages()),
    package_dir=packages(),
    package_data={
        "faceguard.configs": ["*.yaml", "golden.jpg"],
        "faceguard.edge.serve": ["page.html", "page.css", "page.js"],
        **{f"faceguard.{f}": ["py.typed"] for f in FLOORS},
    },
    install_requires=[
        "numpy>=1.24",
        "pillow>=10.1",
        "prometheus-client>=0.19",
        "pydantic>=2.7",
        "pyyaml>=6.0",
        "tqdm>=4.64",
    ],
    extras_require={
        "cpu": CPU,
        "convert": CONVERT,
        "rtx": RTX,
        # Runs engines. TensorRT itself comes from apt on a Jetson, from the index on a PC. pycuda
        # is built on the spot, and needs nvcc on PATH for it.
        "gpu": ["pycuda>=2024.1"],
        # On JetPack, TensorRT and OpenCV come from apt and are seen through a virtual
        # environment made with --system-site-packages; a wheel of OpenCV beside them would hide
        # the one that was built with GStreamer.
        "jetson": [
            "av>=17.0",
            # JetPack 6 builds its OpenCV against NumPy 1.
            "numpy<2; python_version<'3.12'",
            "onnxruntime>=1.19",
        ],
        "web": WEB,
        # Temperature, power and load of a discrete GPU, for the governor.
        "nvml": NVML,
        # `faceguard thermal plot`.
        "plot": PLOT,
        "dev": [
            *CPU,
            *CONVERT,
            *RTX,
            *WEB,
            *NVML,
            *PLOT,
            "ai-edge-litert>=1.2",
            "fusepy>=3.0.1",
            "httpx>=0.25",
            "hypothesis>=6.100",
            "import-linter>=2.0",
            "mypy>=1.10",
            "pytest>=8.0",
            "pytest-cov>=5.0",
            "ruff>=0.6",
            "schemathesis>=4.30",
            "types-PyYAML",
            "types-tqdm",
        ],
    },
    entry_points={
        "console_scripts": [
            "faceguard = faceguard.edge.cli:faceguard",
            "convert-engine = faceguard.edge.cli:convert_engine",
        ],
        "faceguard.commands": [
            "redact = faceguard.edge.commands.redact",
            "enhance = faceguard.edge.commands.enhance",
            "serve = faceguard.edge.commands.serve",
            "bench = faceguard.edge.commands.bench",
            "run = faceguard.edge.commands.run",
            "check = faceguard.edge.commands.check",
            "config = faceguard.edge.commands.config",
            "status = faceguard.edge.commands.status",
            "doctor = faceguard.edge.commands.doctor",
            "power = faceguard.edge.commands.power",
            "thermal = faceguard.edge.commands.thermal",
            "models = faceguard.convert.commands.models",
            "convert-engine = faceguard.convert.commands.convert_engine",
            "engines = faceguard.convert.commands.engines",
            "selftest = faceguard.convert.commands.selftest",
        ],
    },
    classifiers=[
        "License :: OSI Approved :: Apache Software License",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Topic :: Multimedia :: Video",
    ],
)
