"""Blocks of work on all threads: each done once, in the caller's settings, errors handed on."""

import threading

import pytest

import layerwise
from layerwise import nn, ops


@pytest.mark.parametrize("threads", [1, 2, 7])
@pytest.mark.parametrize("n", [0, 1, 5, 40])
def test_every_block_is_done_once(threads, n):
    done = []
    with layerwise.num_threads(threads):
        nn.run_blocks(done.append, range(n))
    assert sorted(done) == list(range(n))


def test_blocks_run_at_the_same_time_and_their_ops_on_one_thread():
    meeting = threading.Barrier(3, timeout=30)
    seen = []

    def task(block):
        meeting.wait()  # breaks unless three blocks are at work together
        seen.append(ops.get_num_threads())

    with layerwise.num_threads(3):
        nn.run_blocks(task, range(3))
    assert seen == [1, 1, 1]


def test_a_single_block_has_all_threads_to_itself():
    seen = []
    with layerwise.num_threads(3):
        nn.run_blocks(lambda block: seen.append(ops.get_num_threads()), [0])
    assert seen == [3]


def test_the_backend_of_the_caller_computes_every_block():
    seen = []
    with layerwise.num_threads(3), layerwise.use_backend("reference"):
        nn.run_blocks(lambda block: seen.append(ops.get_backend()), range(5))
    assert seen == ["reference"] * 5


@pytest.mark.parametrize("threads", [1, 3])
def test_an_error_is_raised_and_stops_what_has_not_begun(threads):
    begun = []

    def task(block):
        begun.append(block)
        raise ValueError(f"block {block}")

    with layerwise.num_threads(threads), pytest.raises(ValueError, match="block"):
        nn.run_blocks(task, range(1000))
    assert len(begun) <= 2 * threads


def test_blocks_of_rows_cover_all_rows_and_are_small():
    for n, width in ((0, 3), (1, 10**9), (1000, 4096), (7, 0)):
        blocks = nn.row_blocks(n, width)
        assert [i for block in blocks for i in range(n)[block]] == list(range(n))
        for block in blocks:
            rows = block.stop - block.start
            assert rows == 1 or rows * width <= nn.BLOCK_ELEMENTS
