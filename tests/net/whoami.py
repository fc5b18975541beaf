#!/usr/bin/python3
"""whoami.py VERB ...: who asks? As a DNS server that takes queries with and without a PROXY header knows it.

  serve ADDRESS PORT         UDP and TCP. The answer, an A record, is the client of the header where there is one, else
                             the other end. Says "ready" when it listens, and runs until it is ended. IPv4 only.
  hold SERVER STOP --from ADDRESS
                             A query every 50 ms on one connection, until the file STOP exists. Prints each answer that
                             differs from the one before.
"""
import argparse
import os
import socket
import struct
import sys
import threading
import time

PATIENCE = 60.0
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
FIXED = 16                  # bytes of the header before the addresses
QUESTION = b"\3who\7example\3com\0" + struct.pack("!HH", 1, 1)


def client_of(header, peer):
    if not header:
        return socket.inet_aton(peer)
    assert header[12] == 0x21 and header[13] in (0x11, 0x12), header.hex()
    return header[FIXED:FIXED + 4]


def answer(query, client):
    end = query.index(b"\0", 12) + 5        # a question without compression, and with no root in it
    return query[:2] + struct.pack("!5H", 0x8580, 1, 1, 0, 0) + query[12:end] + \
        struct.pack("!HHHIH", 0xC00C, 1, 1, 0, 4) + client


def header_len(data):
    return FIXED + struct.unpack_from("!H", data, 14)[0] if data.startswith(SIGNATURE) else 0


def serve_udp(s):
    while True:
        data, peer = s.recvfrom(65535)
        n = header_len(data)
        s.sendto(answer(data[n:], client_of(data[:n], peer[0])), peer)


class Stream:
    """Reads exactly as much as is asked for, and may look ahead."""

    def __init__(self, s):
        self.s, self.data = s, b""

    def peek(self, n):
        while len(self.data) < n:
            got = self.s.recv(65535)
            if not got:
                raise EOFError
            self.data += got
        return self.data[:n]

    def take(self, n):
        taken = self.peek(n)
        self.data = self.data[n:]
        return taken


def serve_connection(s, peer):
    stream = Stream(s)
    header = b""
    try:
        if stream.peek(2) == SIGNATURE[:2]:
            header = stream.take(header_len(stream.peek(FIXED)))
        while True:
            query = stream.take(struct.unpack("!H", stream.take(2))[0])
            reply = answer(query, client_of(header, peer[0]))
            s.sendall(struct.pack("!H", len(reply)) + reply)
    except (EOFError, ConnectionError):
        s.close()


def serve(args):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind((args.address, args.port))
    tcp = socket.create_server((args.address, args.port), backlog=100)
    threading.Thread(target=serve_udp, args=(udp,), daemon=True).start()
    print("ready", flush=True)
    while True:
        s, peer = tcp.accept()
        threading.Thread(target=serve_connection, args=(s, peer), daemon=True).start()


def hold(args):
    s = socket.create_connection((args.server, 53), timeout=PATIENCE, source_address=(args.source, 0))
    stream, last, number = Stream(s), None, 0
    while not os.path.exists(args.stop):
        number = number % 0xFFFF + 1
        query = struct.pack("!6H", number, 0, 1, 0, 0, 0) + QUESTION
        s.sendall(struct.pack("!H", len(query)) + query)
        reply = stream.take(struct.unpack("!H", stream.take(2))[0])
        if reply[:2] != query[:2]:
            sys.exit(f"not its answer: {reply.hex()}")
        who = socket.inet_ntoa(reply[-4:])
        if who != last:
            print(who, flush=True)
            last = who
        time.sleep(0.05)


parser = argparse.ArgumentParser()
verbs = parser.add_subparsers(required=True)
verb = verbs.add_parser("serve")
verb.add_argument("address")
verb.add_argument("port", type=int)
verb.set_defaults(run=serve)
verb = verbs.add_parser("hold")
verb.add_argument("server")
verb.add_argument("stop")
verb.add_argument("--from", dest="source", required=True)
verb.set_defaults(run=hold)
arguments = parser.parse_args()
arguments.run(arguments)
