"""Every name of TensorRT that the code uses is in the real bindings, from 10.3 to 11.4 and in RTX.

The names are read from the sources: an attribute of a variable that has an owner below. The real
bindings load without TensorRT's libraries, over empty ones compiled here; each version has a
process of its own.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys

import pytest

from tests.engines import tools

ROOT = tools.ROOT
# What a variable of this name holds; `_name` and `self._name` are the same as `name`.
RUN = {"trt": "", "runtime": "Runtime", "engine": "ICudaEngine", "context": "IExecutionContext"}
BUILD = {
    "trt": "",
    "runtime": "Runtime",
    "builder": "Builder",
    "network": "INetworkDefinition",
    "config": "IBuilderConfig",
    "parser": "OnnxParser",
    "inspector": "EngineInspector",
}
SOURCES = {
    "engines/trt_engine.py": RUN,
    "convert/build/backend.py": {
        **BUILD,
        "engine": "ICudaEngine",
        "profile": "IOptimizationProfile",
    },
    "convert/build/parsing.py": BUILD,
    "convert/build/listener.py": {"trt": ""},
    "convert/build/timing.py": {"config": "IBuilderConfig", "cache": "ITimingCache"},
}
# Asked for only where the backend is TensorRT for RTX.
RTX_ONLY = {
    "ComputeCapability",
    "ComputeCapability.__members__",
    "IBuilderConfig.num_compute_capabilities",
    "IBuilderConfig.set_compute_capability",
}
BINDINGS = {
    "tensorrt-cu12-bindings==10.3.0": 10,
    "tensorrt-cu12-bindings==10.16.1.11": 10,
    "tensorrt-cu13-bindings==11.4.0.106": 11,
}
# Runs in the process that loads the bindings; told the module and the uses, answers with faults.
CHECK = '''
import importlib, json, re, sys

module, uses, folders = json.load(sys.stdin)
sys.path[:0] = folders
trt = importlib.import_module(module)

def signatures(function):
    """Names of the parameters, self left out, with whether they may be left out too."""
    name = function.__name__
    for line in (function.__doc__ or "").splitlines():
        match = re.match(r"(?:[0-9]+[.] )?" + re.escape(name) + r"[(](.*)[)] ->", line.strip())
        if not match or match[1].startswith("*args"):
            continue
        depth, part, parts = 0, "", []
        for sign in match[1] + ",":
            depth += (sign in "[({<") - (sign in "])}>")
            if sign == "," and depth == 0:
                parts.append(part.strip())
                part = ""
            else:
                part += sign
        parts = [p for p in parts if p and not p.startswith(("self:", "arg0: tensorrt"))]
        yield [(p.split(":")[0], "=" in p) for p in parts]

def fits(call, parameters):
    count, keywords = call
    rest = parameters[count:]
    names = {name for name, _ in rest}
    return count <= len(parameters) and set(keywords) <= names and all(
        free or name in keywords for name, free in rest
    )

faults = []
for path, calls in uses.items():
    thing = trt
    try:
        for part in path.split("."):
            thing = getattr(thing, part)
    except AttributeError:
        faults.append(path + " is not there")
        continue
    if isinstance(thing, type) or not callable(thing):
        continue
    known = list(signatures(thing))
    if not known:
        faults.append(path + " has no signature: " + str(thing.__doc__)[:200])
    for call in calls:
        if not any(fits(call, parameters) for parameters in known):
            faults.append(f"{path} called with {call}, but takes {known}")
print(json.dumps([trt.__version__, faults]))
'''


class _Uses(ast.NodeVisitor):
    """Collects attributes of the variables that have an owner, and how they are called."""

    def __init__(self, owners):
        self._owners = owners
        self.found = {}

    def visit_Call(self, node):
        path = self._path(node.func)
        if path:
            keywords = [word.arg for word in node.keywords if word.arg]
            # A base class's __init__ is given the object itself.
            count = len(node.args) - path.endswith(".__init__")
            self.found.setdefault(path, []).append([count, keywords])
        self.generic_visit(node)

    def visit_Attribute(self, node):
        path = self._path(node)
        if path:
            self.found.setdefault(path, [])
        self.generic_visit(node)

    def _path(self, node):
        names = []
        while isinstance(node, ast.Attribute):
            names.insert(0, node.attr)
            node = node.value
        if not isinstance(node, ast.Name):
            return None
        names.insert(0, node.id)
        if names[0] == "self":
            names.pop(0)
        if len(names) < 2 or names[0].lstrip("_") not in self._owners:
            return None
        owner = self._owners[names[0].lstrip("_")]
        # `trt.Kind.MEMBER` is looked up whole; of an object, only the first step is known.
        return ".".join(names[1:]) if owner == "" else f"{owner}.{names[1]}"


def uses():
    """Every use, from all sources: path of the name -> how it is called."""
    found = {}
    for name, owners in SOURCES.items():
        visitor = _Uses(owners)
        visitor.visit(ast.parse((ROOT / name).read_text(encoding="utf-8")))
        assert visitor.found, f"{name} uses nothing of TensorRT; is it still the file?"
        for path, calls in visitor.found.items():
            found.setdefault(path, []).extend(calls)
    return found


def names_of_the_double():
    """What the double offers, as uses that are never called."""
    tree = ast.parse((tools.ROOT / "tests/engines/trt_double.py").read_text(encoding="utf-8"))
    found = {}
    for thing in tree.body:
        if isinstance(thing, ast.ClassDef):
            found[thing.name] = []
            for inner in ast.walk(thing):
                if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                    found[f"{thing.name}.{inner.name}"] = []
            for line in thing.body:
                if isinstance(line, ast.Assign):
                    found[f"{thing.name}.{line.targets[0].id}"] = []
    return found


def _check(module, wanted, folders, libraries=()):
    environment = {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries))}
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        input=json.dumps([module, wanted, [str(folder) for folder in folders]]),
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    version, faults = json.loads(done.stdout.splitlines()[-1])
    return version, faults


def _check_bindings(requirement, wanted):
    folder = tools.wheel(requirement)
    major = BINDINGS[requirement]
    source = tools.NATIVE / "dummy_tensorrt.c"
    libraries = [
        tools.compile_library(source, f"lib{name}.so.{major}").parent
        for name in ("nvinfer", "nvinfer_plugin", "nvonnxparser")
    ]
    return _check("tensorrt_bindings", wanted, [folder], libraries)


@pytest.mark.parametrize("requirement", BINDINGS)
def test_tensorrt_has_what_is_used(requirement):
    wanted = {path: calls for path, calls in uses().items() if path not in RTX_ONLY}
    version, faults = _check_bindings(requirement, wanted)
    assert version == requirement.partition("==")[2]
    assert faults == []


def test_tensorrt_for_rtx_has_what_is_used():
    pytest.importorskip("tensorrt_rtx_bindings")
    wanted = {path: calls for path, calls in uses().items() if "TimingCache" not in path}
    folders = [path for path in sys.path if path]
    _, faults = _check("tensorrt_rtx_bindings", wanted, folders)
    assert faults == []


@pytest.mark.parametrize("requirement", BINDINGS)
def test_the_double_offers_nothing_else(requirement):
    _, faults = _check_bindings(requirement, names_of_the_double())
    assert faults == []


def test_the_double_has_all_that_is_used():
    visitor = _Uses(RUN)
    visitor.visit(ast.parse((ROOT / "engines/trt_engine.py").read_text(encoding="utf-8")))
    lacking = {
        path
        for path in visitor.found
        if path not in names_of_the_double() and path != "__version__"
    }
    # Called on construction, by every class.
    assert lacking <= {"ILogger.__init__"}


def test_finds_what_is_used():
    found = uses()
    assert [1, []] in found["IExecutionContext.execute_async_v3"]
    assert [2, []] in found["ICudaEngine.get_tensor_profile_shape"]
    assert "TensorFormat.LINEAR" in found


@pytest.mark.parametrize(
    ("use", "fault"),
    [
        ({"BuilderFlag.FP16": []}, "BuilderFlag.FP16 is not there"),
        ({"IExecutionContext.execute_async_v2": []}, "execute_async_v2 is not there"),
        ({"IExecutionContext.execute_async_v3": [[2, []]]}, "execute_async_v3 called with [2"),
        ({"IExecutionContext.set_input_shape": [[1, []]]}, "set_input_shape called with [1"),
        ({"ICudaEngine.get_tensor_name": [[0, ["idx"]]]}, "get_tensor_name called with [0, ['idx"),
    ],
)
def test_a_wrong_use_is_found(use, fault):
    _, faults = _check_bindings("tensorrt-cu13-bindings==11.4.0.106", use)
    assert len(faults) == 1
    assert fault in faults[0]


def test_only_these_files_import_pycuda_and_tensorrt():
    """One imports pycuda, within a function; TensorRT is imported by name, and used by ours."""
    imports, users = {}, set()
    for floor in ("engines", "edge", "convert"):
        for path in (ROOT / floor).rglob("*.py"):
            name = str(path.relative_to(ROOT))
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = []
                if isinstance(node, ast.Import):
                    names = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom):
                    names = [node.module or ""]
                elif isinstance(node, ast.Name) and node.id == "trt":
                    users.add(name)
                if any(each.split(".")[0] in ("tensorrt", "pycuda") for each in names):
                    imports.setdefault(name, []).append(node.col_offset)
    assert set(imports) == {"engines/cuda_device.py"}
    assert all(offset > 0 for offset in imports["engines/cuda_device.py"])
    assert users <= {*SOURCES, "convert/build/worker.py"}  # which only passes it on
