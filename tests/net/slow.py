#!/usr/bin/python3
"""slow.py ADDRESS PORT SECONDS: a DNS server that answers each query, whatever it asks, and those over UDP after a while.

So there are always queries under way: as many as come in that time.
"""
import heapq
import select
import socket
import sys
import time

ANSWER = bytes.fromhex("c00c 0001 0001 0000012c 0004 c0000250")     # A 192.0.2.80


def answer(query):
    end = 12
    while query[end]:
        end += query[end] + 1
    end += 5
    return query[:2] + b"\x84\x00\0\1\0\1\0\0\0\0" + query[12:end] + ANSWER


def serve_tcp(connection):
    """What has come, for as long as it comes in whole messages, as our clients send them."""
    try:
        data = connection.recv(65536)
        while len(data) > 2:
            length = int.from_bytes(data[:2], "big")
            reply = answer(data[2:2 + length])
            connection.sendall(len(reply).to_bytes(2, "big") + reply)
            data = data[2 + length:]
            if not data:
                return True
    except OSError:
        pass
    return False


def main(address, port, seconds):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)      # SO_RCVBUFFORCE
    udp.bind((address, port))
    udp.setblocking(False)
    tcp = socket.create_server((address, port))
    connections = []
    late = []
    print("ready", flush=True)
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else None
        ready, _, _ = select.select([udp, tcp, *connections], [], [], wait)
        if tcp in ready:
            connections.append(tcp.accept()[0])
        for connection in set(ready) - {udp, tcp}:
            if not serve_tcp(connection):
                connections.remove(connection)
                connection.close()
        try:
            while True:
                query, client = udp.recvfrom(4096)
                heapq.heappush(late, (time.monotonic() + seconds, client, query))
        except BlockingIOError:
            pass
        now = time.monotonic()
        while late and late[0][0] <= now:
            _, client, query = heapq.heappop(late)
            udp.sendto(answer(query), client)


main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
