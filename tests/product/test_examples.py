"""Every program in examples/ runs and prints what it says it prints."""

from __future__ import annotations

import hashlib
import re
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from helpers import ENDS

EXAMPLES = Path(__file__).parents[2] / "examples"
PATIENT = Path(__file__).parents[1] / "kit" / "virtual_clock.py"

# What comes in time must not depend on how fast the machine is.
TIMED = ("crawler.py", "rate_limit.py", "select_timeout.py", "web_service.py")

NEEDS = {"crawler.py": ("aiohttp",), "web_service.py": ("fastapi", "httpx", "uvicorn")}
OUTPUT = {
    "compute_and_deliver.py": """\
goish 38061 is worth 00003335
goish 73114 is worth 0000ad4d
goish 185209 is worth 00009dac
goish 213816 is worth 00003fa5
goish 322481 is worth 00004b73
""",
    "crawler.py": """\
59 pages seen, 24 left at the deadline
garden: 6 pages, dead links: 1
maze: 23 pages, dead links: 0
museum: 5 pages, dead links: 0
""",
    "fan_in.py": """\
12 readings from 4 stations:
east 1, east 2, east 3, north 1, north 2, north 3, south 1, south 2, south 3, west 1, west 2, west 3
""",
    "loaded_server.py": """\
by hand: 400 clients
net.serve: 400 clients
""",
    "merge_sort.py": "20,000 numbers sorted\n",
    "n_queens.py": "8 queens: 92 solutions\n",
    "nested_threads.py": """\
main is in thread 1
mail is read in thread 1
the report is made in thread 2
its page is read in thread 2
its chart is drawn in thread 3
""",
    "pipelines.py": """\
by hand: True
1 goroutine is left
streams: True
1 goroutine is left
""",
    "pingpong.py": """\
ping 1
pong 2
ping 3
pong 4
ping 5
pong 6
game over
""",
    "pipeline.py": """\
QUICK
BROWN
JUMPS
OVER
LAZY
WHILE
OTHER
SLEEPS
""",
    "prime_sieve.py": "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59 61 67 71 73 79 83 89 97 \n",
    "process_pool.py": """\
4203 primes
4203 primes
""",
    "rate_limit.py": """\
 10 ms: 18 degrees
 20 ms: 19 degrees
 30 ms: 31 degrees, alarm!
 40 ms: 32 degrees, hot still
 50 ms: 20 degrees
 60 ms: 33 degrees, hot still
 70 ms: 34 degrees, hot still
 90 ms: 19 degrees
110 ms: 35 degrees, alarm!
130 ms: 18 degrees
""",
    "select_timeout.py": """\
answered after 0.01 s
no answer within 0.1 s
""",
    "web_service.py": '{"corner":120,"market":95}\n',
    "worker_pool.py": """\
job 1: 1
job 2: 4
job 3: 9
job 4: 16
job 5: 25
job 6: 36
job 7: 49
job 8: 64
job 9: 81
3 workers took part
""",
}


def run_example(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    clock = [str(PATIENT)] if name in TIMED else []
    command = [sys.executable, *clock, str(EXAMPLES / name), *arguments]
    return subprocess.run(command, cwd=EXAMPLES.parent, capture_output=True, text=True, timeout=ENDS, check=False)


# These run until they are told to end: test_server_examples.py.
SERVERS = ("batching.py", "chat.py", "echo_server.py", "http_server.py", "ticker.py")


def test_every_example_is_tested() -> None:
    assert {path.name for path in EXAMPLES.glob("*.py")} == {
        *OUTPUT,
        *SERVERS,
        "mandelbrot.py",
        "md5_tree.py",
        "million_goroutines.py",
    }


@pytest.mark.parametrize("name", OUTPUT)
def test_example_prints(name: str) -> None:
    for library in NEEDS.get(name, ()):
        pytest.importorskip(library)
    run = run_example(name)
    assert (run.stdout, run.stderr, run.returncode) == (OUTPUT[name], "", 0)


def test_mandelbrot_draws_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    run = run_example("mandelbrot.py", str(picture))
    assert (run.stderr, run.returncode) == ("", 0)
    assert run.stdout.startswith(f"{picture}: ")
    rows = png_rows(picture.read_bytes())
    assert rows == rows[::-1]  # the lower half is a mirror image of the upper one
    middle = rows[len(rows) // 2]
    assert middle[0] > 250
    assert middle[len(middle) * 7 // 10] == 0  # the point 0, the heart of the set


def test_md5_tree_prints_the_sum_of_each_file(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for n in range(20):
        (tmp_path / "folder" / f"{n:02}").write_text("a" * n)
    run = run_example("md5_tree.py", str(tmp_path))
    assert (run.stderr, run.returncode) == ("", 0)
    sums = [hashlib.md5(b"a" * n, usedforsecurity=False).hexdigest() for n in range(20)]
    assert run.stdout.splitlines() == [f"{digest} folder/{n:02}" for n, digest in enumerate(sums)]


def png_rows(data: bytes) -> list[bytes]:
    """The pixels of a picture in shades of grey."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        chunks[kind] = data[at + 8 : at + 8 + size]
        assert zlib.crc32(data[at + 4 : at + 8 + size]) == struct.unpack_from(">I", data, at + 8 + size)[0]
        at += 12 + size
    width, height, *_ = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    pixels = zlib.decompress(chunks[b"IDAT"])
    assert len(pixels) == height * (width + 1)
    return [pixels[i + 1 : i + 1 + width] for i in range(0, len(pixels), width + 1)]


def test_million_goroutines_ends_with_a_table() -> None:
    run = run_example("million_goroutines.py", "--goroutines", "2_000")
    assert (run.stderr, run.returncode) == ("", 0)
    assert "2,000 at the same time" in run.stdout
    *_, headings, goroutines, tasks, ratio = run.stdout.splitlines()
    assert headings.split() == ["seconds", "ns", "each", "bytes", "each"]
    assert re.fullmatch(r"goish goroutines +[\d.]+ +[\d,]+ +[\d,]+", goroutines)
    assert re.fullmatch(r"asyncio\.TaskGroup +[\d.]+ +[\d,]+ +[\d,]+", tasks)
    assert re.fullmatch(r"asyncio / goish +[\d.]+ +[\d.]+ +([\d.]+|-)", ratio)


@pytest.mark.parametrize("bad", ["0", "-3", "1e6", "many", "99_999_999_999"])
def test_million_goroutines_names_the_numbers_it_takes(bad: str) -> None:
    run = run_example("million_goroutines.py", f"--goroutines={bad}")
    assert run.returncode == 2
    assert f"'{bad}' is not a whole number from 1 to 10_000_000" in run.stderr
