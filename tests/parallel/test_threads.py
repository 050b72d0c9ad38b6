"""The limit of BLAS, which many threads may hold at once."""

import sys
from threading import Event, Thread, local
from types import SimpleNamespace

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from hnn_hpc.parallel.threads import _Hold, single_threaded_blas


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


class Library:
    """A BLAS whose number of threads is one of the process, or, with OpenMP, one of each thread."""

    def __init__(self, name, layer):
        self.filepath, self.threading_layer, self._of_all, self._own = name, layer, 8, local()

    def get_num_threads(self):
        return getattr(self._own, "threads", 8) if self.threading_layer == "openmp" else self._of_all

    def set_num_threads(self, threads):
        if self.threading_layer == "openmp":
            self._own.threads = threads
        else:
            self._of_all = threads


@pytest.fixture
def libraries(monkeypatch):
    """The libraries that a hold finds; others may be added, with a module."""
    found = [Library("openmp", "openmp"), Library("pthreads", "pthreads")]
    controller = SimpleNamespace(select=lambda **how: SimpleNamespace(lib_controllers=list(found)))
    monkeypatch.setattr("threadpoolctl.ThreadpoolController", lambda: controller)
    monkeypatch.setattr("hnn_hpc.parallel.threads._hold", _Hold())
    return found


def test_every_thread_has_the_limit_of_a_blas_with_openmp_for_itself(libraries):
    openmp, seen = libraries[0], []

    def hold():
        with single_threaded_blas(), single_threaded_blas():
            seen.append(openmp.get_num_threads())
        seen.append(openmp.get_num_threads())

    with single_threaded_blas():
        thread = Thread(target=hold)
        thread.start()
        thread.join()
        assert [library.get_num_threads() for library in libraries] == [1, 1] and seen == [1, 8]
    assert [library.get_num_threads() for library in libraries] == [8, 8]


def test_a_blas_that_comes_while_others_are_held_is_held_too(libraries, monkeypatch):
    with single_threaded_blas():
        libraries.append(Library("late", "pthreads"))
        monkeypatch.setitem(sys.modules, "a_module_with_a_blas", None)
        with single_threaded_blas():
            assert libraries[-1].get_num_threads() == 1
        assert libraries[-1].get_num_threads() == 1
    assert [library.get_num_threads() for library in libraries] == [8] * 3
