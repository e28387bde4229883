"""Cameras and rigs: pure geometry on tensors."""

from mflab.geometry.cameras import Cameras, check_cameras, orbit_c2w
from mflab.geometry.rigs import DIRECTIONS, RIGS, Rig, direction_word, get_rig

__all__ = ["DIRECTIONS", "RIGS", "Cameras", "Rig", "check_cameras", "direction_word", "get_rig", "orbit_c2w"]
