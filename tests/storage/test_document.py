"""Documents in files: damaged, hostile and future ones are told apart and refused in words."""

import json
import os
import resource
import signal
import stat
import struct

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import layerwise
from layerwise.storage import FORMAT_VERSION, document, read_document, write_document

CONTENT = {"w": np.arange(6.0).reshape(2, 3), "n": 3, "name": "a"}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.safetensors"
    write_document("save", path, "thing", CONTENT)
    return path


def write_raw(path, header, data=b"", length=None):
    """Write a safetensors file as it should not be."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def head_of(path):
    with safe_open(path, framework="np") as file:
        return json.loads(file.metadata()["layerwise"])


def rewrite(path, arrays=None, **changes):
    """Change a document's head or arrays, with a checksum that fits."""
    arrays = load_file(path) if arrays is None else arrays
    head = {**head_of(path), **changes}
    head.pop("sha256")
    head["sha256"] = document._digest(head, arrays)
    save_file(arrays, path, {"layerwise": json.dumps(head)})


def refused(path, message, error=ValueError):
    with pytest.raises(error, match=f"^load: .*{path.name} must be a layerwise thing.*{message}"):
        read_document("load", path, "thing")


def test_contents_come_back_with_who_wrote_them(path):
    found = read_document("load", path, "thing")
    assert found.isa == layerwise.show_config(mode="dict")["isa"]
    assert found.writer == layerwise.__version__
    assert (found.content["n"], found.content["name"]) == (3, "a")
    np.testing.assert_array_equal(found.content["w"], CONTENT["w"])
    assert found.content["w"].flags.writeable


def test_other_programs_find_the_arrays_by_name(path):
    np.testing.assert_array_equal(load_file(path)["w"], CONTENT["w"])


def test_the_same_contents_make_the_same_file(path, tmp_path):
    for _ in range(3):
        write_document("save", tmp_path / "other", "thing", CONTENT)
        assert (tmp_path / "other").read_bytes() == path.read_bytes()


def test_a_file_cut_short_anywhere_is_refused(path):
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        refused(path, "")


def test_a_bit_flipped_anywhere_is_noticed_or_changes_nothing(path):
    """Padding of the header with spaces, and the order of its entries, mean nothing."""
    whole = path.read_bytes()
    noticed = 0
    for i in range(len(whole)):
        for bit in (0, 3, 6):
            damaged = bytearray(whole)
            damaged[i] ^= 1 << bit
            path.write_bytes(damaged)
            try:
                content = read_document("load", path, "thing").content
            except ValueError as error:
                assert str(error).startswith("load: ")
                noticed += 1
            else:
                assert content["w"].tobytes() == CONTENT["w"].tobytes()
                assert (content["n"], content["name"]) == (3, "a")
    assert noticed > 2.9 * len(whole)


def test_bytes_after_the_end_are_refused(path):
    path.write_bytes(path.read_bytes() + b"\0")
    refused(path, "damaged or something else")


@pytest.mark.parametrize("length", [2**60, 2**63, 2**64 - 1, 10**9, 101 * 10**6])
def test_lengths_of_headers_beyond_the_file_are_refused(path, length):
    write_raw(path, {}, length=length)
    refused(path, "damaged or something else")


def tensor(dtype="F64", shape=(2,), begin=0, end=16):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"{",
        b"\xff\xfe",
        b'{"a": {}}',
        {"a": tensor(shape=(3,))},
        {"a": tensor(shape=(2**62, 2**62))},
        {"a": tensor(shape=(-2,))},
        {"a": tensor(shape=(2.0,))},
        {"a": tensor(end=2**60, shape=(2**57,))},
        {"a": tensor(begin=-16, end=0)},
        {"a": tensor(begin=16, end=0)},
        {"a": tensor("F99")},
        {"a": tensor(), "b": tensor()},
        {"a": tensor(shape=(1,), end=8), "b": tensor(shape=(1,), begin=4, end=12)},
        {"a": tensor(shape=(1,), end=8)},
        {"a": tensor(), "__metadata__": {"layerwise": {}}},
        b'{"a":' * 200 + b"1" + b"}" * 200,
    ],
)
def test_headers_that_contradict_themselves_or_the_file_are_refused(path, header):
    write_raw(path, header, data=bytes(16))
    refused(path, "")


def test_arrays_of_types_that_are_not_ours_are_refused(path):
    head = json.dumps({**head_of(path), "content": {"array": "a"}})
    header = {"a": tensor("BF16", (8,)), "__metadata__": {"layerwise": head}}
    write_raw(path, header, data=bytes(16))
    refused(path, "an array 'a' of the type BF16")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "no metadata of layerwise: another program wrote it"),
        ("", "metadata that are no JSON"),
        ("{", "metadata that are no JSON"),
        ("[]", "metadata that are no JSON object"),
        ("{}", "no version of the format"),
        ('{"version": [1]}', "no version of the format"),
        ('{"version": [1, "0"]}', "no version of the format"),
        ('{"version": [1, 0]}', "the kind 'None'"),
        ('{"version": [1, 0], "kind": "thing"}', "no content"),
        ('{"version": [1, 0], "kind": "thing", "content": 1}', "checksum does not fit"),
        ("[" * 100_000, "nested too deep"),
        ("9" * 5000, "metadata that are no JSON"),
        (" " * (1 << 24) + "{}", "16777218 characters of metadata, more than"),
    ],
)
def test_metadata_that_are_not_ours_are_refused(path, text, message):
    save_file({"a": np.zeros(2)}, path, None if text is None else {"layerwise": text})
    refused(path, message)


def test_another_kind_is_refused(path):
    rewrite(path, kind="checkpoint")
    refused(path, "the kind 'checkpoint'")


def test_a_newer_major_version_asks_for_an_update(path):
    rewrite(path, version=[FORMAT_VERSION[0] + 1, 0])
    refused(path, "the format 2.0, of a newer layerwise: this one reads 1.x, update it")


def test_a_newer_minor_version_and_entries_unknown_here_are_read(path):
    rewrite(path, version=[FORMAT_VERSION[0], 99], licence="CC0")
    assert read_document("load", path, "thing").content["n"] == 3


def test_arrays_must_be_there_and_be_those_of_the_checksum(path):
    arrays = load_file(path)
    rewrite(path, {**arrays, "more": np.zeros(3)})
    assert read_document("load", path, "thing").content["n"] == 3
    rewrite(path, {})
    refused(path, "no array 'w'")
    write_document("save", path, "thing", CONTENT)
    save_file({"w": arrays["w"] + 1e-12}, path, {"layerwise": json.dumps(head_of(path))})
    refused(path, "contents that its checksum does not fit: it is damaged")


def test_what_is_no_file_is_refused(path, tmp_path):
    with pytest.raises(FileNotFoundError, match="load: .* must be a layerwise thing; No such file"):
        read_document("load", tmp_path / "none", "thing")
    with pytest.raises(IsADirectoryError, match="load: .*; it is a folder"):
        read_document("load", tmp_path, "thing")
    os.mkfifo(tmp_path / "pipe")
    for special in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OSError, match="load: .*; it is not a regular file"):
            read_document("load", special, "thing")
    with pytest.raises(TypeError, match="PathLike"):
        read_document("load", 3, "thing")


def test_files_without_permission_are_refused(path):
    path.chmod(0)
    path.parent.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IROTH | stat.S_IXOTH)
    root = os.geteuid() == 0
    if root:  # whom nothing is forbidden
        for folder in path.parents[:3]:
            folder.chmod(0o755)
        os.seteuid(65534)
    try:
        with pytest.raises(PermissionError, match="load: .*; Permission denied"):
            read_document("load", path, "thing")
        with pytest.raises(PermissionError, match="save: .* must be a file that can be written"):
            write_document("save", path, "thing", CONTENT)
    finally:
        if root:
            os.seteuid(0)
        path.parent.chmod(0o755)
        path.chmod(0o644)
    assert read_document("load", path, "thing").content["n"] == 3


def test_a_file_larger_than_memory_is_refused_before_it_is_read(path):
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    size = memory - memory % 8 + 8
    write_raw(path, {"a": tensor(shape=(size // 8,), end=size)})
    os.truncate(path, path.stat().st_size + size)  # takes no space on the disk
    refused(path, "that fits into memory; it has .* bytes, the machine", MemoryError)


def test_too_much_besides_arrays_is_refused_when_written(path):
    with pytest.raises(ValueError, match="save: what is not an array must take less than"):
        write_document("save", path, "thing", "x" * (1 << 24))
    assert read_document("load", path, "thing").content["n"] == 3


def test_a_full_disk_leaves_the_old_file(tmp_path):
    """The limit on the size of files stands for the disk's end: write() fails in the same way."""
    path = tmp_path / "file"
    write_document("save", path, "thing", CONTENT)
    large = {"w": np.zeros(100_000)}
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="save: .* must be a file that can be written; .*large"):
            write_document("save", path, "thing", large)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == ["file"]
    assert read_document("load", path, "thing").content["n"] == 3


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_a_new_file_has_the_permissions_that_the_umask_leaves(tmp_path):
    before = os.umask(0o027)
    try:
        write_document("save", tmp_path / "new", "model", {"a": np.zeros(2)})
    finally:
        os.umask(before)
    assert os.stat(tmp_path / "new").st_mode & 0o777 == 0o640
