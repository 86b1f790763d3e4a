"""What most transformers are: saved, with columns named after their class, keeping the dtype."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin

from .persistence import Persistent

__all__ = ["SparseTransformer", "Transformer"]


class Transformer(Persistent, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Base of transformers that give float32 for float32 and float64 for float64."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class SparseTransformer(Transformer):
    """Base of those that take sparse matrices too."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
