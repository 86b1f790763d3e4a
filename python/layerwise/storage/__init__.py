"""Files that are written whole or not at all, and Python values in them without pickle."""

from .atomic import remove_leftovers, replacing
from .document import FORMAT_VERSION, Document, read_document, write_document
from .encoding import decode, describe, encode
from .registry import register

__all__ = [
    "FORMAT_VERSION",
    "Document",
    "decode",
    "describe",
    "encode",
    "read_document",
    "register",
    "remove_leftovers",
    "replacing",
    "write_document",
]
