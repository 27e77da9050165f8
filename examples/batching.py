"""A service that asks its model for many answers at once: requests meet in a channel, and go to a thread in batches.

    python examples/batching.py 127.0.0.1:8000
    curl 127.0.0.1:8000/guess -d 'the quick brown fox'

One call of a model costs much, each question in it little: up to MOST questions that come within WAIT seconds share
one. While the model computes the next batch fills; as it computes on a thread, the loop goes on reading requests.
"""

import argparse
from dataclasses import dataclass, field
from signal import SIGINT, SIGTERM

from goish import Chan, chan, context, go, go_thread, http, run, signal, streams
from goish.http import Request, ResponseWriter

MOST = 32
WAIT = 0.002  # seconds

# How often each letter stands in a text, in percent: a model that knows three languages.
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WEIGHTS = {
    "english": (8, 1, 3, 4, 13, 2, 2, 6, 7, 0, 1, 4, 2, 7, 8, 2, 0, 6, 6, 9, 3, 1, 2, 0, 2, 0),
    "french": (8, 1, 3, 4, 15, 1, 1, 1, 8, 1, 0, 5, 3, 7, 6, 3, 1, 7, 8, 7, 6, 2, 0, 0, 0, 0),
    "german": (7, 2, 3, 5, 17, 2, 3, 5, 8, 0, 1, 3, 3, 10, 3, 1, 0, 7, 7, 6, 4, 1, 2, 0, 0, 1),
}


@dataclass
class Question:
    text: str
    answer: Chan[dict[str, object]] = field(default_factory=lambda: chan(1))


questions: Chan[Question] = chan(10 * MOST)  # more wait in their handlers: that is the back-pressure


def model(texts: list[str]) -> list[str]:
    """The language of each text. It computes, so it runs on a thread."""

    def distance(text: str, weights: tuple[int, ...]) -> float:
        shares = [100 * text.count(letter) / max(len(text), 1) for letter in LETTERS]
        return sum((share - weight) ** 2 for share, weight in zip(shares, weights, strict=True))

    return [min(WEIGHTS, key=lambda language: distance(text.lower(), WEIGHTS[language])) for text in texts]


async def answer_all(most: int, wait: float) -> None:
    async with streams.pipeline(questions, streams.batch(most, wait)) as batches:
        async for batch in batches:
            languages = await go_thread(model, [question.text for question in batch])
            for question, language in zip(batch, languages, strict=True):
                question.answer.try_send({"language": language, "batch": len(batch)})  # to a client that left, too


async def guess(w: ResponseWriter, r: Request) -> None:
    question = Question((await r.read(limit=10_000)).decode(errors="replace"))
    await questions.send(question)
    await w.json(await question.answer.recv())


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("address", nargs="?", default="127.0.0.1:8000")
    parser.add_argument("--most", type=int, default=MOST)
    parser.add_argument("--wait", type=float, default=WAIT)
    given = parser.parse_args()

    ctx, stop = signal.notify_context(context.background(), SIGTERM, SIGINT)
    mux = http.ServeMux()
    mux.handle("POST /guess", guess)
    answering = go(answer_all, given.most, given.wait)
    async with http.serve(mux, given.address) as server:
        print("http://{}:{}".format(*server.addr), flush=True)
        await ctx.done().recv_ok()
        stop()
    questions.close()  # all requests are answered, and nobody sends any more
    await answering
    print(f"{ctx.cause()}: {server.statistics().requests} requests answered")


if __name__ == "__main__":
    run(main)
