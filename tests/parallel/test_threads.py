"""The limit of BLAS, which many threads may hold at once."""

from threading import Event, Thread

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from hnn_hpc.parallel.threads import single_threaded_blas


def blas_threads():
    """By file of a BLAS its threads; one that was built for one thread, as PETSc's may be, keeps to that."""
    return {library["filepath"]: library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


@pytest.mark.parametrize("first_to_leave", ["the first who came", "the last who came"])
def test_the_last_one_who_lets_go_lifts_the_limit(first_to_leave):
    entered, leave = Event(), Event()

    def hold():
        with single_threaded_blas():
            entered.set()
            leave.wait()

    other = Thread(target=hold)
    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        assert 2 in before.values()
        with single_threaded_blas():
            other.start()
            entered.wait()
            assert set(blas_threads().values()) == {1}
            if first_to_leave == "the last who came":
                leave.set()
                other.join()
                assert set(blas_threads().values()) == {1}
        assert blas_threads() == (before if leave.is_set() else dict.fromkeys(before, 1))
        leave.set()
        other.join()
        assert blas_threads() == before


def test_it_holds_for_a_thread_although_another_one_has_set_a_limit():
    seen = []

    def look():
        with single_threaded_blas():
            seen.append(blas_threads())

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        thread = Thread(target=look)
        thread.start()
        thread.join()
        assert 2 in before.values() and seen == [dict.fromkeys(before, 1)] and blas_threads() == before
