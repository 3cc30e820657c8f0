"""Traces of heat: written by the camera, replayed bit by bit, drawn."""
