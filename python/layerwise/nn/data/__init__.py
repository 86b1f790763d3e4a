"""Rows of data in the encodings that kernels read: batches, orders, streams, blocks."""
