"""A web service: each request asks all shops at once and answers with what came in time. FastAPI, uvicorn, httpx."""

import socket

import httpx
import uvicorn
from fastapi import FastAPI

import goish
from goish import Chan, SendChan, after, go, select

SHOPS = {"corner": (0.01, 120), "market": (0.02, 95), "moon": (60.0, 10)}  # seconds until it answers, its price
PATIENCE = 0.2  # seconds
REQUESTS = 50

app = FastAPI()


async def ask(shop: str, prices: SendChan[tuple[str, int]]) -> None:
    delay, price = SHOPS[shop]
    await goish.sleep(delay)  # a request to another service
    await prices.send((shop, price))


@app.get("/prices")
async def prices() -> dict[str, int]:
    found: dict[str, int] = {}
    answers, deadline = Chan[tuple[str, int]](), after(PATIENCE)
    asked = [go(ask, shop, answers.sender) for shop in SHOPS]
    while len(found) < len(SHOPS):
        match await select(answers.recv(), deadline.recv()):
            case 0, (shop, price), _:
                found[shop] = price
            case _:
                break
    for g in asked:
        g.cancel()
    return dict(sorted(found.items()))


async def client(http: httpx.AsyncClient, answers: SendChan[str]) -> None:
    response = await http.get("/prices")
    await answers.send(response.text)


async def main() -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    serving = go(server.serve, [listening])
    answers = Chan[str]()
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", timeout=30) as http:
        for _ in range(REQUESTS):
            go(client, http, answers.sender)
        print(*{await answers.recv() for _ in range(REQUESTS)})
    server.should_exit = True
    await serving


if __name__ == "__main__":
    goish.run(main, loop=goish.new_event_loop)  # each request is a goroutine
