"""I/O and CPU work, each within the other: `go` stays on the thread it is called on, `go_thread` leaves it."""

import threading

import goish
from goish import go, go_thread, wait_all
from goish.parallel import sync_all

names: dict[int, str] = {}


def here() -> str:
    """This thread, numbered in the order in which they are first seen."""
    return names.setdefault(threading.get_ident(), f"thread {len(names) + 1}")


async def read(what: str, expected: str) -> str:
    await goish.sleep(0.01)  # a request
    assert here() == expected
    return f"{what} in {here()}"


def compute(what: str, elsewhere_than: set[str]) -> str:
    assert here() not in elsewhere_than
    return f"{what} in {here()}"


def report(parent: str) -> list[str]:
    """CPU work that needs some I/O, and has a part that can be computed elsewhere."""
    assert here() != parent
    page = go(read, "its page is read", here())  # on a loop of this thread, which runs while it waits
    chart = go_thread(compute, "its chart is drawn", {here(), parent})
    return [f"the report is made in {here()}", *sync_all(page, chart)]


async def main() -> None:
    print("main is in", here())
    mail = go(read, "mail is read", here())
    lines = await wait_all(mail, go_thread(report, here()))
    print(lines[0], *lines[1], sep="\n")


if __name__ == "__main__":
    goish.run(main)
