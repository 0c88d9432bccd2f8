"""Jobs side by side: in order, few at once, and errors in their place."""

import threading
import time

import pytest

from utils.parallel import LARGE, cores, mapped, threads_for, together


def test_large_photos_are_worked_on_one_at_a_time():
    assert threads_for(LARGE + 1) == 1 and threads_for(LARGE) == cores()


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads):
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    assert list(mapped(slow_first, range(6), threads)) == [0, 1, 4, 9, 16, 25]


def test_no_more_jobs_than_threads_are_under_way():
    asked, done, most = [], [], []

    def jobs():
        for number in range(8):
            asked.append(number)
            yield number

    def work(number: int) -> None:
        most.append(len(asked) - len(done))
        time.sleep(0.005)
        done.append(number)

    list(mapped(work, jobs(), 2))
    assert max(most) <= 3 and done == sorted(done, key=done.index)


def test_an_error_is_raised_in_its_place_and_ends_the_work():
    begun, gate = [], threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number == 1:
            gate.set()
            raise ValueError("broken")
        gate.wait(timeout=10)
        return number

    results = mapped(work, range(100), 2)
    assert next(results) == 0
    with pytest.raises(ValueError, match="broken"):
        list(results)
    assert len(begun) < 6


def test_two_calls_are_made_at_once():
    both = threading.Barrier(2)  # that passes neither alone

    def call(result: str) -> str:
        both.wait(60)
        return result

    assert together(lambda: call("here"), lambda: call("beside")) == ("here", "beside")


def test_an_error_beside_is_raised():
    with pytest.raises(ZeroDivisionError):
        together(lambda: 1, lambda: 1 / 0)
