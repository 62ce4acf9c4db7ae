"""A TCP proxy that breaks connections on command; it sees TLS records only, so it breaks them anywhere.

  PYTHONPATH=tests python3 -m lab.fault_proxy PORT UPSTREAM_HOST UPSTREAM_PORT CONTROL_SOCKET

The control socket takes one JSON object a line, {"mode": ..., ...}, and answers a line when it holds. Modes stay until the next one:

  pass                         nothing is broken
  cut                          every connection is reset now (SO_LINGER 0); then pass
  delay      least, most       every piece waits so many seconds, by chance
  stall                        requests pass, answers are held; the mode's end resets the connections that held one
  truncate   bytes             after so many bytes to the server the connection is reset, in the middle of what it was sending
  half_close bytes             after so many bytes to the server it sees our end of the stream; its answers still pass
  drip       bytes, pause      so few bytes at a time
  hold                         nothing passes, in either direction, on old and new connections; its end lets everything flow again
  refuse                       old connections are reset, new ones refused: nobody listens
"""

import asyncio
import json
import random
import socket
import struct
import sys

PIECE_BYTES = 65_536


class Cut(Exception):
    """This connection is to be reset."""


class Pair:
    """One connection of a collector and ours to the server."""

    def __init__(self, proxy, reader, writer):
        self.proxy = proxy
        self.ends = [(reader, writer)]
        self.generation = -1
        self.left = 0          # bytes to the server before truncate or half_close strikes
        self.half_closed = False

    async def run(self):
        try:
            await self.proxy.passable()
            self.ends.append(await asyncio.open_connection(*self.proxy.upstream))
            (client_in, client_out), (server_in, server_out) = self.ends
            await asyncio.gather(self.pump(client_in, server_out, True), self.pump(server_in, client_out, False))
        except (OSError, Cut, asyncio.CancelledError):
            self.reset()
        finally:
            for _, writer in self.ends:
                writer.close()

    async def pump(self, reader, writer, to_server):
        while data := await reader.read(PIECE_BYTES):
            await self.shape(data, writer, to_server)
        await self.proxy.passable()
        if writer.can_write_eof() and not (to_server and self.half_closed):
            writer.write_eof()

    async def shape(self, data, writer, to_server):
        proxy = self.proxy
        if proxy.mode == "stall" and not to_server:
            generation = proxy.generation
            await proxy.changed_since(generation)
            raise Cut
        await proxy.passable()
        if proxy.mode == "delay":
            await asyncio.sleep(random.uniform(proxy.settings["least"], proxy.settings["most"]))
        elif proxy.mode in ("truncate", "half_close") and to_server:
            data = await self.strike(data, writer)
        elif proxy.mode == "drip":
            while data and proxy.mode == "drip":
                piece, data = data[:proxy.settings["bytes"]], data[proxy.settings["bytes"]:]
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(proxy.settings["pause"])
        if data and not (to_server and self.half_closed):
            writer.write(data)
            await writer.drain()

    async def strike(self, data, writer):
        if self.generation != self.proxy.generation:
            self.generation, self.left = self.proxy.generation, self.proxy.settings["bytes"]
        self.left -= len(data)
        if self.left >= 0 or self.half_closed:
            return data
        writer.write(data[:self.left] if self.left > -len(data) else b"")
        await writer.drain()
        if self.proxy.mode == "truncate":
            await asyncio.sleep(0.01)   # the server reads what there is before it sees the reset
            raise Cut
        writer.write_eof()
        self.half_closed = True
        return b""

    def reset(self):
        for _, writer in self.ends:
            connection = writer.get_extra_info("socket")
            if connection is not None and connection.fileno() >= 0:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    def __init__(self, port, upstream):
        self.port, self.upstream = port, upstream
        self.mode, self.settings, self.generation = "pass", {}, 0
        self.changed = asyncio.Event()
        self.listener = None
        self.pairs = {}   # task: pair

    async def listen(self):
        self.listener = await asyncio.start_server(self.accept, "127.0.0.1", self.port, reuse_address=True, backlog=256)

    async def accept(self, reader, writer):
        pair = Pair(self, reader, writer)
        self.pairs[asyncio.current_task()] = pair
        try:
            await pair.run()
        finally:
            del self.pairs[asyncio.current_task()]

    async def changed_since(self, generation):
        while self.generation == generation:
            await self.changed.wait()

    async def passable(self):
        while self.mode == "hold":
            await self.changed_since(self.generation)

    async def set(self, command):
        self.mode, self.settings = command.pop("mode"), command
        self.generation += 1
        self.changed.set()
        self.changed = asyncio.Event()
        if self.mode in ("cut", "refuse"):
            for pair in list(self.pairs.values()):
                pair.reset()
        if self.mode == "cut":
            self.mode = "pass"
        if self.mode == "refuse" and self.listener is not None:
            self.listener.close()
            self.listener = None
        elif self.mode != "refuse" and self.listener is None:
            await self.listen()

    async def control(self, reader, writer):
        while line := await reader.readline():
            await self.set(json.loads(line))
            writer.write(json.dumps({"connections": len(self.pairs)}).encode() + b"\n")
            await writer.drain()


class Control:
    """The driver's end: Control(path).set("delay", least=0.1, most=0.5)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(10)
        self.socket.connect(str(path))
        self.lines = self.socket.makefile("r")

    def set(self, mode, **settings):
        self.socket.sendall(json.dumps({"mode": mode, **settings}).encode() + b"\n")
        return json.loads(self.lines.readline())

    def close(self):
        self.lines.close()
        self.socket.close()


async def serve(port, upstream, control):
    proxy = Proxy(port, upstream)
    await proxy.listen()
    await asyncio.start_unix_server(proxy.control, control)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), (sys.argv[2], int(sys.argv[3])), sys.argv[4]))
