"""Two goroutines and a ball: each waits for it, plays it back, and the rally ends when the channel is closed."""

import goish
from goish import Chan, RecvChan, SendChan, WaitGroup

STROKES = 6


async def player(name: str, receive: RecvChan[int], play: SendChan[int]) -> None:
    async for stroke in receive:
        print(f"{name} {stroke}")
        if stroke == STROKES:
            break
        await play.send(stroke + 1)
    play.close()


async def main() -> None:
    left, right = Chan[int](), Chan[int]()
    rally = WaitGroup()
    rally.go(player, "ping", left.receiver, right.sender)
    rally.go(player, "pong", right.receiver, left.sender)
    await left.send(1)
    await rally.wait()
    print("game over")


if __name__ == "__main__":
    goish.run(main)
