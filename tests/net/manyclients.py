#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""manyclients.py SERVER COUNT PER_SECOND: COUNT clients, each with an address of its own, ask one query by TCP.

The addresses are 100.64.0.1 and up, which must be this host's. They begin PER_SECOND in a second. Prints how many were
answered, and how long half of them, 99 of 100 and the slowest took from the SYN to the answer.
"""
import asyncio
import socket
import struct
import sys
import time

server, count, per_second = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
query = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\3www\7example\3com\0\0\1\0\1"
TIMEOUT = 60


async def ask(n):
    loop = asyncio.get_running_loop()
    address = socket.inet_ntoa(struct.pack("!I", 0x64400001 + n))
    begin = time.monotonic()
    with socket.socket() as s:
        s.setblocking(False)
        s.bind((address, 0))
        await loop.sock_connect(s, (server, 53))
        await loop.sock_sendall(s, struct.pack("!H", len(query)) + query)
        answer = await loop.sock_recv(s, 4096)
    if len(answer) <= 12:
        raise ConnectionError("no whole answer")
    return time.monotonic() - begin


async def main():
    begin = time.monotonic()
    tasks = []
    for n in range(count):
        await asyncio.sleep(max(0, begin + n / per_second - time.monotonic()))
        tasks.append(asyncio.create_task(asyncio.wait_for(ask(n), TIMEOUT)))
    results = await asyncio.gather(*tasks, return_exceptions=True)
    times = sorted(r for r in results if isinstance(r, float))
    for error in [r for r in results if not isinstance(r, float)][:5]:
        print(repr(error), file=sys.stderr)
    if times:
        print(f"{len(times)} of {count} answered; ms: {times[len(times) // 2] * 1000:.1f} half, "
              f"{times[len(times) * 99 // 100] * 1000:.1f} of 99 %, {times[-1] * 1000:.1f} all")
    return len(times) < count

sys.exit(asyncio.run(main()))
