"""Flyover: flight over endless landscapes that are made and drawn here from a seed."""

from playground.data.worlds.flyover.collector import FlyoverCollector

__all__ = ["FlyoverCollector"]
