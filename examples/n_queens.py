"""N queens, in parallel: each square that is not under attack is a branch of the search, spawned on speculation."""

from goish.parallel import FlowVar, spawn, sync

SIZE = 8
SPAWNED_ROWS = 3  # branches further down are too short to be worth a spawn


def queens(placed: tuple[int, ...] = ()) -> int:
    """How many ways there are to go on from these queens, one in each row."""
    row = len(placed)
    if row == SIZE:
        return 1
    if row >= SPAWNED_ROWS:
        return sum(queens((*placed, column)) for column in range(SIZE) if is_free(placed, column))
    branches = [FlowVar[int].empty() for _ in range(SIZE)]
    for column in range(SIZE):
        if is_free(placed, column):
            branches[column] = spawn(queens, (*placed, column))
    return sum(sync(branch) for branch in branches if branch.is_spawned())


def is_free(placed: tuple[int, ...], column: int) -> bool:
    return all(column != c and abs(column - c) != len(placed) - row for row, c in enumerate(placed))


if __name__ == "__main__":
    print(f"{SIZE} queens: {queens()} solutions")
