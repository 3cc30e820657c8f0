"""The end of a program that has threads left, each as a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEGIN = """
import atexit, logging, sys, threading, time
from faceguard.edge.leaving import leave
atexit.register(print, "Python's own end")
"""
THREAD = """
threading.Thread(target=time.sleep, args=(600,), daemon={daemon}).start()
"""
# Many short inferences: one of them ends while Python does.
INFERENCE = """
import numpy, onnx, onnxruntime
from onnx import TensorProto as T, helper
node = helper.make_node("MatMul", ["x", "x"], ["y"])
value = lambda name: helper.make_tensor_value_info(name, T.FLOAT, [150, 150])
graph = helper.make_graph([node], "g", [value("x")], [value("y")])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
session = onnxruntime.InferenceSession(model.SerializeToString())
def work():
    while True:
        session.run(None, {"x": numpy.ones((150, 150), "float32")})
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
"""


def ended(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BEGIN + text], capture_output=True, text=True, check=False
    )


def test_without_threads_python_ends_as_ever():
    program = ended("leave(lambda: 7)")
    assert (program.returncode, program.stdout) == (7, "Python's own end\n")


@pytest.mark.parametrize("daemon", [True, False])
def test_a_thread_that_is_left_is_not_waited_for_and_nothing_said_is_lost(daemon):
    program = ended(
        THREAD.format(daemon=daemon)
        + "print('said', end=''); sys.stderr.write('told'); leave(lambda: 7)"
    )
    assert (program.returncode, program.stdout, program.stderr) == (7, "said", "told")


def test_what_was_logged_gets_out():
    program = ended(
        THREAD.format(daemon=True)
        + "from faceguard.edge.config.service import LogConfig\n"
        + "from faceguard.edge.service import logs\n"
        + "logs.set_up(LogConfig(format='json'))\n"
        + "logging.getLogger('faceguard').warning('a last word')\n"
        + "leave(lambda: 7)"
    )
    assert program.returncode == 7
    assert "a last word" in program.stderr


def test_an_inference_that_is_left_is_no_crash():
    for _ in range(5):
        program = ended(INFERENCE + "leave(lambda: 7)")
        assert (program.returncode, program.stderr) == (7, "")


def test_an_error_that_nobody_caught_is_told_and_is_1():
    program = ended(THREAD.format(daemon=True) + "leave(lambda: 1 / 0)")
    assert program.returncode == 1
    assert "ZeroDivisionError" in program.stderr


def test_arguments_that_were_wrong_keep_their_code():
    assert ended("leave(lambda: sys.exit(2))").returncode == 2
