"""Restricted Boltzmann machines: units, learning rules, penalties, steps."""
