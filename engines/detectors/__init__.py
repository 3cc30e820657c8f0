"""Face detectors: letterbox, infer, decode, suppress; a file for each family."""

from faceguard.engines.detectors.detector import Detector
from faceguard.engines.detectors.registry import open_detector

__all__ = ["Detector", "open_detector"]
