"""Which bytes may stand where: what the scanners of head.py and parser.py go by. RFC 9110 section 5.6.2, RFC 9112
section 3.

Invariants: no table has CR, so each scan ends where its line does.
"""

__all__ = [
    "COLON",
    "CR",
    "FIRST_LETTER",
    "IN_TARGET",
    "IN_TOKEN",
    "IN_VALUE",
    "LF",
    "SLASH",
    "SPACE",
    "SPECIAL",
    "ZERO",
]

TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SPACE, COLON, CR, LF, ZERO, SLASH = b" :\r\n0/"


def table(allowed: bytes) -> bytes:
    """For each byte whether it is allowed."""
    return bytes(byte in allowed for byte in range(256))


IN_TOKEN = table(TOKEN)
IN_TARGET = table(bytes(set(range(0x21, 0x7F)) - set(b"#")))
IN_VALUE = table(b"\t" + bytes(set(range(0x20, 0x100)) - {0x7F}))

# The fields that a server goes by, and their first letters.
SPECIAL = frozenset((b"host", b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade"))
FIRST_LETTER = table(b"HhCcTtEeUu")
