"""The Mandelbrot set: the rows of a picture are computed in parallel, on free-threaded Python on all processors."""

import struct
import sys
import time
import zlib

from goish.parallel import default_executor, parallel_map

WIDTH, HEIGHT = 360, 240
LIMIT = 80  # steps after which a point counts as one of the set


def shade(c: complex) -> int:
    z = 0j
    for step in range(LIMIT):
        z = z * z + c
        if abs(z) > 2:
            return 255 - 255 * step // LIMIT
    return 0


def row(y: int) -> bytes:
    im = 1 - 2 * (y + 0.5) / HEIGHT
    return bytes(shade(complex(-2.1 + 3 * x / WIDTH, im)) for x in range(WIDTH))


def png(rows: list[bytes]) -> bytes:
    """A picture in shades of grey."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


if __name__ == "__main__":
    name = sys.argv[1] if len(sys.argv) > 1 else "mandelbrot.png"
    start = time.perf_counter()
    rows = parallel_map(row, range(HEIGHT))
    print(f"{name}: {time.perf_counter() - start:.2f} s, {default_executor().workers} workers")
    with open(name, "wb") as file:
        file.write(png(rows))
