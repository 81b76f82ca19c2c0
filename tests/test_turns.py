"""First come, first served, and no place is ever lost."""

import threading
import time

import pytest

from vectopt.turns import Turns


def test_no_more_than_the_places_are_in_and_all_come_in_order() -> None:
    turns, order, most = Turns(2), [], 0
    inside: set[int] = set()
    gate = threading.Event()

    def work(number: int) -> None:
        nonlocal most
        with turns:
            inside.add(number)
            most = max(most, len(inside))
            order.append(number)
            gate.wait(5)
            time.sleep(0.002)
            inside.discard(number)

    threads = []
    for number in range(10):
        threads.append(threading.Thread(target=work, args=(number,)))
        threads[-1].start()
        time.sleep(0.01)
    gate.set()
    for thread in threads:
        thread.join()
    assert most == 2
    assert order == list(range(10))


def test_a_thread_that_is_in_may_enter_again() -> None:
    turns = Turns(1)
    with turns, turns:
        pass
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
