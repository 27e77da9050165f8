"""Go's "Pipelines and cancellation", second part: the MD5 sums of all files of a tree, by a bounded number of threads.

    python examples/md5_tree.py [directory]

A file that cannot be read ends the pipeline with its error, and no thread goes on reading.
"""

import asyncio
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import goish
from goish import streams

DIGESTERS = 4


def files(root: Path) -> Iterator[Path]:
    return (path for path in sorted(root.rglob("*")) if path.is_file())


def md5(path: Path) -> tuple[Path, str]:
    return path, hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


async def main(root: Path) -> None:
    digests = streams.pipeline(
        await asyncio.to_thread(list, files(root)),
        streams.stage(md5, workers=DIGESTERS, kind="thread"),
    )
    async for path, digest in digests:
        print(digest, path.relative_to(root).as_posix())


if __name__ == "__main__":
    goish.run(main, Path(sys.argv[1] if len(sys.argv) > 1 else "."))
