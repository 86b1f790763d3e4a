"""Independent jobs of a recipe, as many at a time as there are threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from joblib import Parallel, delayed

from layerwise import num_threads
from layerwise.ops.config import get_num_threads

__all__ = ["run_jobs"]

T = TypeVar("T")


def run_jobs(jobs: Sequence[Callable[[], T]]) -> Iterator[T]:
    """Run functions in processes of their own and yield their results as they come.

    Two nets on a thread each are done sooner than one after the other on two threads; results do
    not depend on it.

    Parameters
    ----------
    jobs : sequence of functions
        Of no arguments, picklable; the longest first.

    Yields
    ------
    result
        Of one of the jobs, in the order in which they end.

    Examples
    --------
    >>> from functools import partial
    >>> from layerwise.reproduce.jobs import run_jobs
    >>> sorted(run_jobs([partial(max, 1, 2), partial(max, 3, 4)]))
    [2, 4]
    """
    threads = get_num_threads()
    at_once = max(1, min(threads, len(jobs)))
    parallel = Parallel(n_jobs=at_once, return_as="generator_unordered")
    yield from parallel(delayed(_run)(job, threads // at_once) for job in jobs)


def _run(job: Callable[[], T], threads: int) -> T:
    with num_threads(threads):
        return job()
