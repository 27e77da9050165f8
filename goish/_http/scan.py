# cython: boundscheck=False, wraparound=False
"""Walking over the bytes of a head: compiled, a loop of C.

Invariants: an index is compared with the length before it is used, or a CR LF is known to come: no table has CR.
Threads: any.
Not here: what the fields mean (head.py).
"""

from __future__ import annotations

from .tables import COLON, CR, FIRST_LETTER, IN_TARGET, IN_TOKEN, IN_VALUE, LF, SPECIAL

__all__ = ["end_of_known", "end_of_target", "end_of_token", "scan_fields"]


def end_of_token(buffer: bytes, at: int) -> int:
    """Where the token that begins at ``at`` ends. A CR comes behind it, somewhere."""
    table = IN_TOKEN
    while table[buffer[at]]:
        at += 1
    return at


def end_of_target(buffer: bytes, at: int) -> int:
    """The same of a request target."""
    table = IN_TARGET
    while table[buffer[at]]:
        at += 1
    return at


def end_of_known(buffer: bytes, block: bytes) -> int:
    """Where the first head of a buffer ends if its fields are ``block``; otherwise -1, and it has to be searched for.

    A block that has passed every check holds no end of a head, so the end behind it is the first one.
    """
    at = 0
    last = len(buffer) - len(block) - 4
    while at <= last and buffer[at] != CR:
        at += 1
    end = at + len(block)
    repeats = at <= last and block and buffer.startswith(block, at) and buffer.startswith(b"\r\n\r\n", end)
    return end if repeats else -1


def scan_fields(block: bytes) -> list[tuple[bytes, bytes]] | None:
    """The names, in lower case, and values of the special fields of a block; None: it is malformed.

    A block begins with the line end before its first field, and has none at its end.
    """
    in_token, in_value, first_letter = IN_TOKEN, IN_VALUE, FIRST_LETTER
    found: list[tuple[bytes, bytes]] = []
    at = 0
    end = len(block)
    while at < end:
        if block[at] != CR or end - at < 4 or block[at + 1] != LF:
            return None
        begin = at = at + 2
        while at < end and in_token[block[at]]:
            at += 1
        if at in (begin, end) or block[at] != COLON:
            return None
        colon = at
        at += 1
        while at < end and in_value[block[at]]:
            at += 1
        if first_letter[block[begin]] and 4 <= colon - begin <= 17:
            name = block[begin:colon].lower()
            if name in SPECIAL:
                found.append((name, block[colon + 1 : at].strip(b" \t")))
    return found
