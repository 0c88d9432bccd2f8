"""Work dealt out to the threads of the render kernels."""

import threading

import numpy as np
import pytest
import torch

from utils.render.cpu import threads
from utils.render.cpu.threads import (
    deal,
    filling_gaps,
    one_thread,
    run,
    share_fragments,
    share_views,
    thread_count,
)


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(threads, "thread_count", lambda: 2)


def test_the_dearest_come_first_and_shares_are_even():
    assert deal([1, 6, 2, 4, 3], 2) == [[1, 2], [0, 3, 4]]  # 6 + 2 and 4 + 3 + 1
    assert deal([1, 6, 2], 3) == [[1], [2], [0]]
    assert deal([2.0], 4) == [[0]]  # empty shares are none


def test_a_thread_takes_another_job_while_one_is_long(two_threads):
    last_done, done = threading.Event(), []

    def work(number: int) -> None:
        if number == 0:  # is held up until all others are done: by the other thread, then
            assert last_done.wait(60)
        done.append(number)
        if number == 4:
            last_done.set()

    run(work, [(number,) for number in range(5)])
    assert done == [1, 2, 3, 4, 0]


def test_an_error_in_any_thread_is_raised(two_threads):
    together = threading.Barrier(2)

    def work(number: int) -> None:
        together.wait(60)
        if threading.current_thread() is not threading.main_thread():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(work, [(0,), (1,)])


def test_who_would_wait_in_an_uneven_run_does_what_fills_gaps(two_threads):
    filled, order = threading.Event(), []

    def fill(number: int) -> None:
        order.append(number)
        filled.set()

    def work(number: int) -> None:
        if number == 0:  # is held up until the other thread has done something else
            assert filled.wait(60)

    with filling_gaps(fill, [(1,)]):
        run(lambda: order.append(0), [(), ()])  # an even one
        run(work, [(0,), (1,)], uneven=True)
        run(lambda: order.append(2), [()])
    assert order == [0, 0, 1, 2]


def test_what_found_no_gap_is_done_at_the_end_of_the_block(two_threads):
    done = []
    with filling_gaps(done.append, [(1,), (2,)]):
        with filling_gaps(done.append, [(3,)]):
            assert done == []
        assert done == [3]
    assert sorted(done) == [1, 2, 3]
    run(lambda: None, [()], uneven=True)
    with pytest.raises(ZeroDivisionError), filling_gaps(done.append, [(4,)]):
        raise ZeroDivisionError
    assert sorted(done) == [1, 2, 3]


def test_views_are_dealt_out_whole_and_without_the_empty_ones(two_threads):
    shares = share_views(np.array([3, 0, 9, 1]))
    assert [share.tolist() for share in shares] == [[2], [0], [3]]
    fragments = share_fragments(np.array([3, 0, 9, 1]), pieces=1)
    assert fragments.copies == 1
    assert [items.tolist() for items in fragments.items] == [
        [[2, 3, 12]],
        [[0, 0, 3], [3, 12, 13]],
    ]


def test_of_one_view_each_thread_does_a_part(two_threads):
    fragments = share_fragments(np.array([10]))
    assert [items.tolist() for items in fragments.items] == [[[0, 0, 5]], [[0, 5, 10]]]
    assert fragments.copies == 2


def test_one_thread_is_torch_s_alone_and_given_back():
    before, kernels = torch.get_num_threads(), thread_count()
    with pytest.raises(ZeroDivisionError), one_thread():
        with one_thread():
            assert torch.get_num_threads() == 1 and thread_count() == kernels
        assert torch.get_num_threads() == 1 and thread_count() == kernels
        raise ZeroDivisionError
    assert torch.get_num_threads() == before and thread_count() == kernels
    torch.set_num_threads(1)
    assert thread_count() == 1  # what is set elsewhere is for all
    torch.set_num_threads(before)
