"""Timeouts with select: the answer or the alarm of after(), whichever comes first; the loser is untouched."""

import goish
from goish import Chan, RecvChan, SendChan, after, go, select

PATIENCE = 0.1  # seconds


async def ask(delay: float, answer: SendChan[str]) -> None:
    await goish.sleep(delay)
    await answer.send(f"answered after {delay:g} s")


async def wait_for(answer: RecvChan[str]) -> str:
    match await select(answer.recv(), after(PATIENCE).recv()):
        case 0, text, _:
            return str(text)
        case _:
            return f"no answer within {PATIENCE:g} s"


async def main() -> None:
    for delay in (0.01, 60):
        answer = Chan[str](1)  # room for one: an answer that comes too late does not block its sender
        go(ask, delay, answer.sender)
        print(await wait_for(answer.receiver))


if __name__ == "__main__":
    goish.run(main)
