"""Replacing files: the old contents or the new, never anything between."""

import errno
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap

import pytest

from layerwise.storage import replacing
from layerwise.storage.atomic import remove_leftovers


@pytest.fixture
def target(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    return path


def names(folder):
    return sorted(os.listdir(folder))


def test_the_new_contents_take_the_place_of_the_old(target):
    with replacing(target) as temporary:
        assert temporary.parent == target.parent
        temporary.write_text("new")
        assert target.read_text() == "old"
    assert target.read_text() == "new"
    assert names(target.parent) == ["file.txt"]


def test_a_block_that_raises_leaves_the_old_contents_and_nothing_else(target):
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error), replacing(target) as temporary:
            temporary.write_text("new")
            raise error
    assert target.read_text() == "old"
    assert names(target.parent) == ["file.txt"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_system_call_that_fails_leaves_the_old_contents(target, monkeypatch, call):
    def fails(*args):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(OSError, match="Input/output error"), replacing(target) as temporary:
        temporary.write_text("new")
    monkeypatch.undo()
    assert target.read_text() == "old"
    assert names(target.parent) == ["file.txt"]


def test_contents_reach_the_disk_before_the_name_and_the_name_before_the_end(target, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace

    def record_fsync(descriptor):
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        calls.append(f"fsync {kind} of {os.fstat(descriptor).st_size if kind == 'file' else ''}")
        fsync(descriptor)

    def record_replace(source, destination):
        calls.append("replace")
        replace(source, destination)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "replace", record_replace)
    with replacing(target) as temporary:
        temporary.write_text("new")
    assert calls == ["fsync file of 3", "replace", "fsync folder of "]


def test_permissions_stay_and_new_files_obey_the_umask(target):
    target.chmod(0o640)
    with replacing(target):
        pass
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    old = os.umask(0o027)
    try:
        with replacing(target.with_name("other")):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE(target.with_name("other").stat().st_mode) == 0o640


def test_symbolic_links_are_followed(target):
    link = target.with_name("link")
    link.symlink_to(target.name)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert target.read_text() == "new"


def test_folders_devices_and_missing_folders_are_refused(tmp_path):
    for path, error in [
        (tmp_path, IsADirectoryError),
        (os.devnull, OSError),
        (tmp_path / "none" / "file", FileNotFoundError),
    ]:
        with pytest.raises(error), replacing(path):
            raise AssertionError("the block must not be reached")
    assert not stat.S_ISREG(os.stat(os.devnull).st_mode)


def test_leftovers_of_killed_writers_are_removed_and_nothing_else(target):
    code = f"""
        import os, signal
        from layerwise.storage import replacing
        with replacing({str(target)!r}) as temporary:
            temporary.write_text("ne")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)])
    assert done.returncode == -signal.SIGKILL
    assert target.read_text() == "old"
    assert len(names(target.parent)) == 2
    others = [".file.txt.tmp", "file.txt.12345678.tmp", ".file.txt.123.tmp", ".other.12345678.tmp"]
    for name in others:
        target.with_name(name).touch()
    remove_leftovers(target)
    assert names(target.parent) == sorted(["file.txt", *others])


def test_a_full_disk_leaves_the_old_contents(target):
    """The limit on the size of files stands for the disk's end: write() fails in the same way."""

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    code = f"""
        from layerwise.storage import replacing
        with replacing({str(target)!r}) as temporary:
            temporary.write_bytes(bytes(5000))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        preexec_fn=limited, capture_output=True, text=True,
    )  # fmt: skip
    assert "File too large" in done.stderr
    assert target.read_text() == "old"
    assert names(target.parent) == ["file.txt"]
