"""Files that are written whole or not at all, and Python values in them without pickle."""

from .atomic import replacing
from .document import FORMAT_VERSION, Document, read_document, write_document
from .encoding import decode, encode
from .registry import register

__all__ = [
    "FORMAT_VERSION",
    "Document",
    "decode",
    "encode",
    "read_document",
    "register",
    "replacing",
    "write_document",
]
