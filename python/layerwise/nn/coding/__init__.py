"""Codes of signals over dictionaries, anchors and centroids, and how these are learnt."""
