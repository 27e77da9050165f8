"""A sensor is read on each tick of a Ticker; its readings go to a service that takes fifty a second, four at once.

The sensor is faster than the service. A Limiter slows the reports down; a second one refuses alarms that come too
often.
"""

from goish import Chan, chan, go, run, time
from goish.rate import Limiter

TICK = 0.01  # seconds
READINGS = [18, 19, 31, 32, 20, 33, 34, 19, 35, 18]


async def sensor(out: Chan[int]) -> None:
    readings = iter(READINGS)
    async for _ in time.Ticker(TICK):
        reading = next(readings, None)
        if reading is None:
            break
        await out.send(reading)
    out.close()


async def report(readings: Chan[int]) -> None:
    service = Limiter(50, burst=4)
    alarms = Limiter(20, burst=1)
    began = time.now()
    async for reading in readings:
        await service.wait()
        alarm = ""
        if reading > 30:
            alarm = ", alarm!" if alarms.allow() else ", hot still"
        print(f"{(time.now() - began) * 1000:3.0f} ms: {reading} degrees{alarm}")


async def main() -> None:
    readings: Chan[int] = chan(len(READINGS))
    go(sensor, readings)
    await report(readings)


if __name__ == "__main__":
    run(main)
