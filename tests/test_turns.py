"""First come, first served, and no place is ever lost."""

import ctypes
import threading
import time
from collections.abc import Callable

import pytest

from vectopt.turns import Turns


def many(count: int, work: Callable[[int], None], turns: Turns) -> None:
    """Have threads do the work in turns; each begins to wait before the next one comes."""
    with turns:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
        for number, thread in enumerate(threads):
            thread.start()
            while len(turns._waiting) <= number:
                time.sleep(0.001)
    for thread in threads:
        thread.join()


def test_all_come_in_the_order_in_which_they_came() -> None:
    turns, order = Turns(1), []

    def work(number: int) -> None:
        with turns:
            order.append(number)

    many(10, work, turns)
    assert order == list(range(10))


def test_no_more_than_the_places_are_in() -> None:
    turns, inside, most = Turns(2), set(), []
    turns.__enter__()  # by this thread: of the two places one is left

    def work(number: int) -> None:
        with turns:
            inside.add(number)
            time.sleep(0.002)
            most.append(len(inside))
            inside.discard(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    time.sleep(0.01)
    turns.__exit__(None, None, None)
    for thread in threads:
        thread.join()
    assert len(most) == 12
    assert max(most) <= 2


def test_a_thread_that_is_in_may_enter_again() -> None:
    turns = Turns(1)
    with turns, turns:
        pass
    with turns:
        pass


def test_a_thread_interrupted_while_it_waits_leaves_no_gap() -> None:
    turns = Turns(1)
    told = threading.Event()

    class Interrupted(BaseException):
        pass

    def wait() -> None:
        try:
            with turns:
                raise AssertionError("its turn never came")
        except Interrupted:
            told.set()

    with turns:
        thread = threading.Thread(target=wait)
        thread.start()
        while not turns._waiting:
            time.sleep(0.001)
        assert thread.ident is not None
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(Interrupted))
    thread.join(5)  # the exception comes as the thread wakes up with its turn in hand
    assert told.wait(5)
    with turns:
        pass


def test_an_error_gives_the_place_back() -> None:
    turns = Turns(1)
    with pytest.raises(ValueError, match="inside"), turns:
        raise ValueError("inside")
    done = []
    thread = threading.Thread(target=lambda: [done.append(True) for _ in [turns.__enter__()]])
    thread.start()
    thread.join(5)
    assert done


def test_work_on_the_side_gives_way_to_who_is_in_but_not_for_ever() -> None:
    turns = Turns(2)
    turns.give_way()
    inside, leave = threading.Event(), threading.Event()

    def search() -> None:
        with turns:
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=search)
    thread.start()
    inside.wait(10)
    time.sleep(0.005)  # of work
    started = time.monotonic()
    turns.give_way()
    assert time.monotonic() - started >= 0.019  # somebody was in all the time
    turns.give_way()  # nothing was done since
    leave.set()
    thread.join()
