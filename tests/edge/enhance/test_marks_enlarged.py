"""Whatever goes wrong with the detector, nothing of a marked face is in what was enlarged."""

from __future__ import annotations

import ast
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from faceguard.edge.enhance.enhancer import Enhancer
from faceguard.edge.redactor import Redactor
from faceguard.edge.sinks.encoder import EncoderSettings
from faceguard.engines.errors import InferenceError
from faceguard.engines.types import Detections
from faceguard.engines.upscaling.opening import open_upscaler
from tests.edge.faces import Scripted, detections
from tests.edge.videos import make_marked

LOSSLESS = EncoderSettings(codec="ffv1")
FACE = (24.0, 16.0, 56.0, 48.0)
FRAMES = 8
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def enhancer(engine_path):
    engine_path("espcn-x2")
    with Enhancer(open_upscaler("espcn-x2")) as found:
        yield found


@pytest.fixture(scope="module")
def marked(tmp_path_factory) -> Path:
    return make_marked(tmp_path_factory.mktemp("marked") / "in.mkv", FRAMES)


def likeness(marked: Path, output: Path) -> list[float]:
    """How much each mark looks like what stands at its place: a correlation, 0 for a flat area."""
    with av.open(str(marked)) as before, av.open(str(output)) as after:
        found = []
        for old, new in zip(before.decode(video=0), after.decode(video=0), strict=True):
            large = new.to_ndarray()[: new.height]
            small = cv2.resize(large, (96, 64), interpolation=cv2.INTER_AREA)[16:48, 24:56]
            mark = old.to_ndarray()[16:48, 24:56]
            flat = small.std() == 0
            found.append(0.0 if flat else float(np.corrcoef(mark.ravel(), small.ravel())[0, 1]))
    return found


@pytest.mark.models
@pytest.mark.parametrize(
    "answers",
    [
        (detections(FACE),),
        (RuntimeError("out of memory"),),
        (detections(FACE), InferenceError("the engine failed"), detections(FACE)),
        (detections((float("nan"), 0, 1, 1)), detections(FACE)),
    ],
    ids=["seen", "failing", "failing between", "not finite"],
)
def test_no_mark_in_what_was_enlarged(marked, tmp_path, enhancer, answers):
    output = tmp_path / "out.mkv"
    redactor = Redactor(finder=Scripted(*answers))
    done = redactor.file(marked, output, encoder=LOSSLESS, after=enhancer)
    assert (done.width, done.height, done.redacted) == (192, 128, True)
    found = likeness(marked, output)
    assert len(found) == FRAMES
    assert max(map(abs, found)) < 0.35


@pytest.mark.models
def test_the_measure_sees_a_mark_that_is_there(marked, tmp_path, enhancer):
    finder = Scripted(Detections.empty())
    nothing = Redactor(finder=finder)
    nothing.file(marked, tmp_path / "a.mkv", encoder=LOSSLESS, after=enhancer)
    assert min(likeness(marked, tmp_path / "a.mkv")) > 0.9
    assert finder.asked
    bare = Redactor(finder=Scripted(RuntimeError("never asked")), uncovered=True)
    done = bare.file(marked, tmp_path / "b.mkv", encoder=LOSSLESS, after=enhancer)
    assert min(likeness(marked, tmp_path / "b.mkv")) > 0.9
    assert not done.redacted


def test_nothing_stays_bare_but_where_a_user_said_so():
    """Each place where a module says that nothing is to be covered, or asks whether that was said.

    The command gives on what was typed, and the server what the request says.
    """
    says, bare = [], []
    for path in sorted((ROOT / "edge").rglob("*.py")):
        module = path.relative_to(ROOT).as_posix()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        says += [
            (module, ast.unparse(node.value))
            for node in ast.walk(tree)
            if isinstance(node, ast.keyword) and node.arg == "uncovered"
        ]
        bare += [(module, line) for line in bare_lines(tree)]
    assert says == [("edge/commands/enhance.py", "not options.redact")]
    assert bare == [
        ("edge/pipeline.py", "judge is Bare.ASKED_FOR"),
        ("edge/redactor.py", "Bare.ASKED_FOR if self._uncovered"),
        ("edge/serve/worker.py", "tools.judge if wish.redact else Bare.ASKED_FOR"),
    ]


def bare_lines(tree: ast.Module) -> list[str]:
    """The smallest expression with a condition around each use of `Bare`, in their order."""
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    found = []
    for node in ast.walk(tree):
        is_value = isinstance(node, ast.Attribute) and node.attr == "ASKED_FOR"
        # By its value, or by its name as a text, it could be had too.
        is_made = isinstance(node, ast.Call | ast.Subscript) and ast.unparse(node).startswith(
            "Bare"
        )
        if is_value or is_made:
            around: ast.AST = node
            while not isinstance(around, ast.Compare | ast.IfExp | ast.If | ast.FunctionDef):
                around = parents[around]
            is_branch = isinstance(around, ast.If)
            found.append(
                f"{ast.unparse(node)} if {ast.unparse(around.test)}"
                if is_branch
                else ast.unparse(around)
            )
    return found


@pytest.mark.parametrize("line", ["Bare.ASKED_FOR", "Bare('aloud')", "Bare['ASKED_FOR']"])
def test_the_search_finds_each_way_to_say_it(line):
    tree = ast.parse(f"def f(a):\n  if a:\n    return {line}\n")
    assert bare_lines(tree) == [f"{line} if a"]
