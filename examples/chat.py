"""A chat: each room is a Broadcast, and each reader a subscription of it. A reader that is too slow is dropped.

    python examples/chat.py 127.0.0.1:8000      and open it in two windows of a browser

GET /rooms/{room}/events streams what is said in a room. POST /rooms/{room} says something: {"name": ..., "text": ...}
"""

import asyncio
import json
import sys
from signal import SIGINT, SIGTERM

from goish import context, http, run, select, signal
from goish.http import Request, ResponseWriter
from goish.sync import Broadcast, Event

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8000"
UNREAD, HISTORY = 64, 20  # messages: what a reader may be behind, and what it is shown first
PATIENCE = 10.0  # seconds for a client to take one message

PAGE = """\
<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>chat</title>
<style>
  body { font: 16px/1.5 system-ui, sans-serif; max-width: 36em; margin: 1em auto; padding: 0 1em; color: #222 }
  ol { list-style: none; padding: 0; min-height: 7em } b { color: #06c } #state { color: #888; font-size: 80% }
  form { display: flex; gap: .5em } input, button { font: inherit; padding: .2em .5em; min-width: 0 } #text { flex: 1 }
</style>
<h1></h1><ol></ol>
<form><input id="name" size="8" placeholder="name" required>
  <input id="text" placeholder="say something" autocomplete="off" required><button>Say</button></form>
<p id="state">connecting</p>
<script>
  const at = id => document.getElementById(id), room = "/rooms/" + (location.hash.slice(1) || "lobby")
  document.querySelector("h1").textContent = decodeURIComponent(room.slice(7))
  const events = new EventSource(room + "/events")
  events.onopen = () => { at("state").textContent = "connected"; document.querySelector("ol").replaceChildren() }
  events.onerror = () => at("state").textContent = "connecting again"
  events.onmessage = ({data}) => {
    const {name, text} = JSON.parse(data), line = document.createElement("li"), who = document.createElement("b")
    who.textContent = name
    line.append(who, " ", text)
    document.querySelector("ol").append(line)
  }
  document.querySelector("form").onsubmit = async event => {
    event.preventDefault()
    const said = {name: at("name").value, text: at("text").value}
    at("text").value = ""
    const answer = await fetch(room, {method: "POST", body: JSON.stringify(said)})
    if (!answer.ok) at("state").textContent = await answer.text()
  }
</script>
"""

mux = http.ServeMux()
rooms: dict[str, Broadcast[bytes]] = {}  # those with readers
ending = Event()


@mux.handle("GET /{$}")
async def page(w: ResponseWriter, r: Request) -> None:
    w.headers["Content-Type"] = "text/html; charset=utf-8"
    await w.write(PAGE.encode())


@mux.handle("POST /rooms/{room}")
async def say(w: ResponseWriter, r: Request) -> None:
    try:
        said = await r.json(limit=4096)
        message = {"name": str(said["name"])[:20], "text": str(said["text"])}
    except (ValueError, KeyError, TypeError):
        await http.error(w, 'a message is {"name": ..., "text": ...}', 400)
        return
    room = rooms.get(r.path_value("room"))
    reached = await room.send(f"data: {json.dumps(message)}\n\n".encode()) if room else 0
    await w.json({"reached": reached})


@mux.handle("GET /rooms/{room}/events")
async def events(w: ResponseWriter, r: Request) -> None:
    name = r.path_value("room")
    room = rooms.setdefault(name, Broadcast(UNREAD, replay=HISTORY, slow="disconnect"))
    w.headers["Content-Type"] = "text/event-stream"
    w.headers["Cache-Control"] = "no-store"
    try:
        with room.subscribe() as messages:
            await w.flush()
            while True:
                match await select(messages.recv(), ending.wait(), biased=True):
                    case 0, bytes(message), True:
                        async with asyncio.timeout(PATIENCE):
                            await w.write(message)
                    case 0, _, _:  # disconnected, for what it has not read fills its buffer
                        raise TimeoutError
                    case _:
                        return
    except TimeoutError:
        print(f"{name}: {r.remote_addr} was too slow", flush=True)
    finally:
        if not room.subscribers and rooms.get(name) is room:
            del rooms[name]


async def main() -> None:
    ctx, stop = signal.notify_context(context.background(), SIGTERM, SIGINT)
    guarded = http.CrossOriginProtection().handler(mux)  # pages of other sites cannot speak for their readers
    async with http.serve(guarded, ADDRESS) as server:
        print("http://{}:{}".format(*server.addr), flush=True)
        await ctx.done().recv_ok()
        stop()
        ending.set()  # each reader gets what was said, then its stream ends
    print(ctx.cause())


if __name__ == "__main__":
    run(main)
