"""Merge sort, in parallel: spawn one half, sort the other here, sync. No event loop takes part."""

import random

from goish.parallel import spawn, sync

NUMBERS = 20_000
SMALL = 500  # shorter runs are not worth a spawn


def merge_sort(numbers: list[int], start: int, end: int) -> None:
    if end - start <= SMALL:
        numbers[start:end] = sorted(numbers[start:end])
        return
    middle = (start + end) // 2
    fut = spawn(merge_sort, numbers, start, middle)
    merge_sort(numbers, middle, end)
    sync(fut)  # if no worker has begun it, it is done here
    merge(numbers, start, middle, end)


def merge(numbers: list[int], start: int, middle: int, end: int) -> None:
    left, right = numbers[start:middle][::-1], numbers[middle:end][::-1]
    for i in range(start, end):
        smaller = left if left and (not right or left[-1] <= right[-1]) else right
        numbers[i] = smaller.pop()


if __name__ == "__main__":
    numbers = random.sample(range(NUMBERS), NUMBERS)
    merge_sort(numbers, 0, NUMBERS)
    assert numbers == list(range(NUMBERS))
    print(f"{NUMBERS:,} numbers sorted")
