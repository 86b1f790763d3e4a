"""Files of models, spoilt: bytes, headers, what describes them, with a checksum that fits."""

from __future__ import annotations

import copy
import json
import struct
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save

from layerwise import DBN, RBM, DBNClassifier, nn
from layerwise.storage import document

# What a value of the JSON is replaced by.
VALUES: list[Any] = [None, True, -1, 0, 1, 2**31, 2**63, 2**64, 10**400, 0.5, 1e308, "", "x", "nan"]
VALUES += ["components_", "RBM", "float32", "\ud800", [], {}, [[]], {"tuple": []}, {"array": "w"}]
VALUES += [{"float": "nan"}, {"number": ["float32", 1e300]}, {"object": ["RBM", {}]}]
VALUES += [{"csr": ["csr_array", [2**40, 2**40], "a", "b", "c"]}, {"bits": ["w", 2**62]}]
ARRAYS = [
    np.zeros(0, np.float32),
    np.zeros((3, 0)),
    np.full((2, 2), np.nan),
    np.arange(6),
    np.zeros((1, 1, 1, 1)),
    np.full(624, 2**32 - 1, np.uint32),
    np.array(1.0),
]


def models() -> dict[str, Any]:
    """Small models that between them hold every kind of value that is stored."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (20, 6)).astype(np.float32)
    y = np.where(x[:, 0] > 0, "one", "zero")
    pcd = RBM(3, n_iter=1, learning=nn.PCD(k=1, n_chains=4), momentum=nn.Linear(0.5, 0.9, 3))
    return {
        "unfitted": RBM(learning_rate=np.float32(0.5)),
        "pcd": pcd.set_params(random_state=np.random.RandomState(3)).fit(x),
        "dbn": DBN((3, 2), n_iter=[1, 2], k=np.array([1, 2]), random_state=0).fit(x),
        "classifier": DBNClassifier(3, n_iter=1, random_state=0).fit(x, y),
    }


class Mutator:
    """Spoils one file in many ways; a way is the function of a random generator."""

    def __init__(self, path: Any) -> None:
        self.raw = path.read_bytes()
        self.arrays = load_file(path)
        with safe_open(path, framework="np") as file:
            self.head = json.loads(file.metadata()["layerwise"])

    def make(self, rng: np.random.Generator) -> bytes:
        ways = (self.bytes_changed, self.cut, self.header_changed, self.described_otherwise)
        return ways[rng.choice(4, p=[0.15, 0.1, 0.15, 0.6])](rng)

    def bytes_changed(self, rng: np.random.Generator) -> bytes:
        data = bytearray(self.raw)
        for _ in range(int(rng.choice([1, 2, 8, 64]))):
            data[rng.integers(len(data))] = rng.integers(256)
        return bytes(data)

    def cut(self, rng: np.random.Generator) -> bytes:
        at, to = np.sort(rng.integers(0, len(self.raw) + 1, 2))
        return [self.raw[:at], self.raw[:at] + self.raw[to:], self.raw + self.raw[at:to]][
            rng.integers(3)
        ]

    def header_changed(self, rng: np.random.Generator) -> bytes:
        """The safetensors header's length, or its own JSON."""
        (length,) = struct.unpack("<Q", self.raw[:8])
        header = json.loads(self.raw[8 : 8 + length])
        if rng.random() < 0.3:
            length = int(rng.choice(np.array([0, 1, 7, length + 1, 2**27, 2**63, 2**64 - 1], "u8")))
            return struct.pack("<Q", length) + self.raw[8:]
        text = json.dumps(_changed(header, rng)).encode()
        return struct.pack("<Q", len(text)) + text + self.raw[8 + length :]

    def described_otherwise(self, rng: np.random.Generator) -> bytes:
        """Other contents, under a checksum that fits them."""
        head, arrays = json.loads(json.dumps(self.head)), dict(self.arrays)
        for _ in range(int(rng.choice([1, 1, 1, 2, 4]))):
            if arrays and rng.random() < 0.3:
                name = str(rng.choice(sorted(arrays)))
                arrays[name] = _other_array(arrays[name], rng)
            elif rng.random() < 0.1:
                head = _changed(head, rng)
            else:
                head["content"] = _changed(head.get("content"), rng)
            if not isinstance(head, dict):
                head = {"content": head}
        head.pop("sha256", None)
        head["sha256"] = document._digest(head, arrays)
        return save(arrays, {"layerwise": json.dumps(head)})


def _other_array(array: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if not array.ndim:
        return ARRAYS[rng.integers(len(ARRAYS))]
    choices = [array.T.copy(), array.astype("f8"), array.reshape(-1), array[:1].copy(), array[:0]]
    choices += [np.full(array.shape, np.inf), array.astype(bool), *ARRAYS]
    return choices[rng.integers(len(choices))]


def _changed(tree: Any, rng: np.random.Generator) -> Any:
    """The JSON with one value, somewhere, replaced, removed, doubled or wrapped."""
    if not isinstance(tree, (dict, list)) or not tree or rng.random() < 0.15:
        value = copy.deepcopy(VALUES[rng.integers(len(VALUES))])  # a head is written to
        return [value, [tree], {"tuple": [tree]}, {"dict": {"": tree}}][
            rng.choice(4, p=[0.7, 0.1, 0.1, 0.1])
        ]
    if isinstance(tree, list):
        at = int(rng.integers(len(tree)))
        if rng.random() < 0.15:
            return tree[:at] + tree[at + 1 :] if rng.random() < 0.5 else [*tree, tree[at]]
        return [*tree[:at], _changed(tree[at], rng), *tree[at + 1 :]]
    key = list(tree)[rng.integers(len(tree))]
    chance = rng.random()
    if chance < 0.05:
        return {name: value for name, value in tree.items() if name != key}
    if chance < 0.1:
        return {("x" if name == key else name): value for name, value in tree.items()}
    return {**tree, key: _changed(tree[key], rng)}
