"""Measurements of quality and speed; each command ends in one line of JSON."""
