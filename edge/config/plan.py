"""How frames are judged and covered, as a configuration says it."""

from __future__ import annotations

from faceguard.edge.config.faces import DetectorConfig
from faceguard.edge.config.model import Config
from faceguard.edge.masks import MaskSettings
from faceguard.edge.pipeline import Plan
from faceguard.edge.style import Style
from faceguard.edge.tracking import TrackingSettings
from faceguard.engines.catalogue import USUAL_SCORES, Entry, Scores


def scores_of(detector: DetectorConfig, entry: Entry) -> Scores:
    """What a face needs to be believed: the catalogue's, or what is asked for in proportion.

    Args:
        detector: What is asked for.
        entry: The catalogue's entry of the detector.
    """
    return (entry.score or USUAL_SCORES).starting_at(detector.score)


def plan_of(config: Config, scores: Scores | None) -> Plan:
    """The plan for a configuration.

    Args:
        config: The configuration.
        scores: The detector's, as the catalogue or `scores_of` has them; None where nobody knows.

    Returns:
        The plan. A frame waits at least until the detector's next look, or a new face would be
        bare until then.
    """
    tracking = config.tracking
    every = config.detector.every
    return Plan(
        detect_every=every,
        look_ahead=max(tracking.look_ahead, every - 1),
        masks=MaskSettings(config.redaction.margin, config.redaction.shape),
        tracking=TrackingSettings(
            strong=(scores or USUAL_SCORES).starting_at(config.detector.score).start,
            coast_frames=tracking.coast_frames,
            patience=tracking.patience,
            growth=tracking.growth,
        ),
        style=Style(look=config.redaction.style),
    )
