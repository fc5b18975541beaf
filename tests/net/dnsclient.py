#!/usr/bin/python3
"""dnsclient.py VERB ...: DNS clients that dig and kdig are not. Exit 0 when every answer came and was right.

  pipeline SERVER COUNT [--from ADDRESS] [--slow]
      COUNT queries over one TCP connection, sent without waiting for answers. --slow: one byte a
      segment.
  forge SERVER [--from ADDRESS] [--slow] [--alone]
      A query over one TCP connection behind a PROXY protocol header of our own, which says that the client is
      203.0.113.99. --slow: one byte a segment; --alone: the header in a segment of its own. There must be
      no answer.
  hold SERVER STOP [--from ADDRESS]
      One TCP connection, a query every 50 ms on it, until the file STOP exists.
  steady SERVER STOP LOG [--from ADDRESS] [--interval SECONDS]
      A UDP query every 5 ms until the file STOP exists. LOG gets one line a query: the time it was
      sent and the time it was answered, or "lost" (monotonic clock).
  twins [--tcp] RESOLVER RESOLVER...
      From one source port, one query to each resolver before any answer is read, all with the same
      ID. Each answer must come from the resolver asked (the kernel checks TCP, we check UDP).
  tally SERVER COUNT [--from ADDRESS] [--tcp]
      COUNT queries, each from a new port. Prints each answer and how often it came.
  stays SERVER COUNT
      COUNT queries one after the other over one TCP connection: all answers must be the same.
  ttl SERVER
      Prints the IP TTL of the reply.
"""
import argparse
import collections
import os
import select
import socket
import struct
import sys
import threading
import time

PATIENCE = 60.0
IP_RECVTTL = 12     # linux/in.h; Python has no name for it


QUESTION = b"\3www\7example\3com\0" + struct.pack("!HH", 1, 1)     # A, IN


# By hand: under emulation to import dns.message alone takes seconds.
def query(number):
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 0) + QUESTION


def check(wire, number):
    """The address in the first record of the answer, whose name must be the question's, compressed."""
    try:
        got, flags, questions, answers = struct.unpack_from("!4H", wire)
        question = wire[12:12 + len(QUESTION)]
        name, kind, _, _, length = struct.unpack_from("!HHHIH", wire, 12 + len(QUESTION))
        address = wire[24 + len(QUESTION):28 + len(QUESTION)]
    except struct.error:
        sys.exit(f"query {number}: cut short: {wire.hex()}")
    if (got, flags & 0x8000, flags & 0xf, questions, question.lower()) != (number, 0x8000, 0, 1, QUESTION) or \
            answers < 1 or (name, kind, length, len(address)) != (0xc00c, 1, 4, 4):
        sys.exit(f"query {number}: not its answer: {wire.hex()}")
    return socket.inet_ntoa(address)


def framed(wire):
    return struct.pack("!H", len(wire)) + wire


def connect(server, source=None, port=0):
    s = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.settimeout(PATIENCE)
    if source or port:
        s.bind((source or "", port))
    s.connect((server, 53))
    return s


def read_exactly(s, length):
    data = b""
    while len(data) < length:
        part = s.recv(length - len(data))
        if not part:
            sys.exit(f"connection closed after {len(data)} of {length} bytes")
        data += part
    return data


def read_framed(s):
    return read_exactly(s, struct.unpack("!H", read_exactly(s, 2))[0])


def pipeline(args):
    s = connect(args.server, args.source)
    stream = b"".join(framed(query(i)) for i in range(args.count))

    def send():
        step = 1 if args.slow else 4096
        for i in range(0, len(stream), step):
            s.sendall(stream[i:i + step])       # the time limit is for one call, however much it is given
            if args.slow:
                time.sleep(0.0005)              # so that no two bytes share a segment

    # Beside the reading: a server that cannot write any more does not read any more either.
    threading.Thread(target=send, daemon=True).start()
    missing = set(range(args.count))
    while missing:
        wire = read_framed(s)
        number = struct.unpack("!H", wire[:2])[0]
        check(wire, number)
        missing.remove(number)


FORGED = bytes.fromhex("0d0a0d0a000d0a515549540a2111000c") + socket.inet_aton("203.0.113.99") + \
    socket.inet_aton("198.55.102.244") + struct.pack("!HH", 4444, 53)


def forge(args):
    s = connect(args.server, args.source)
    stream = FORGED + framed(query(1))
    step = 1 if args.slow else len(FORGED) if args.alone else len(stream)
    try:
        for i in range(0, len(stream), step):
            s.sendall(stream[i:i + step])
            if step < len(stream):
                time.sleep(0.005)
        s.settimeout(1)
        answer = s.recv(4096)
    except (TimeoutError, ConnectionResetError, BrokenPipeError):
        return
    if answer:
        sys.exit(f"an answer to a query behind a forged header: {answer.hex()}")


def hold(args):
    s = connect(args.server, args.source)
    number = 0
    while not os.path.exists(args.stop):
        number = (number + 1) & 0xffff
        s.sendall(framed(query(number)))
        check(read_framed(s), number)
        time.sleep(0.05)
    print(number, "answers on one connection")


def steady(args):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setblocking(False)
    if args.source:
        s.bind((args.source, 0))
    sent, answered, number = [], {}, 0
    wire = query(0)

    def read_for(seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([s], [], [], left)[0]:
                reply, sender = s.recvfrom(4096)
                if sender != (args.server, 53):
                    sys.exit(f"asked {args.server}, answered by {sender}")
                answered.setdefault(struct.unpack("!H", reply[:2])[0], time.monotonic())

    while not os.path.exists(args.stop):
        try:
            s.sendto(struct.pack("!H", number) + wire[2:], (args.server, 53))
        except OSError:
            pass        # no route while the link is away
        sent.append(time.monotonic())
        number += 1
        if number > 65535:
            sys.exit("steady ran for too long")
        read_for(args.interval)
    read_for(1.0)
    with open(args.log, "w", encoding="ascii") as log:
        for i, at in enumerate(sent):
            log.write(f"{at:.6f} {answered[i]:.6f}\n" if i in answered else f"{at:.6f} lost\n")


def twins(args):
    if args.tcp:
        first = connect(args.resolvers[0])
        port = first.getsockname()[1]
        connections = [first] + [connect(r, port=port) for r in args.resolvers[1:]]
        for s in connections:
            s.sendall(framed(query(4242)))
        for s in connections:
            check(read_framed(s), 4242)
        return
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    for resolver in args.resolvers:
        s.sendto(query(4242), (resolver, 53))
    waiting = set(args.resolvers)
    while waiting:
        try:
            wire, (address, port) = s.recvfrom(4096)
        except TimeoutError:
            sys.exit(f"no answer from {waiting}")
        check(wire, 4242)
        if address not in waiting or port != 53:
            sys.exit(f"an answer from {address}:{port}, waiting for {waiting}")
        waiting.remove(address)


def ask_once(args, number):
    if args.tcp:
        with connect(args.server, args.source) as s:
            s.sendall(framed(query(number)))
            return check(read_framed(s), number)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(PATIENCE)
        if args.source:
            s.bind((args.source, 0))
        s.connect((args.server, 53))
        s.send(query(number))
        return check(s.recv(4096), number)


def tally(args):
    answers = collections.Counter(ask_once(args, i & 0xffff) for i in range(args.count))
    for answer, times in sorted(answers.items()):
        print(answer, times)


def stays(args):
    answers = set()
    with connect(args.server) as s:
        for i in range(args.count):
            s.sendall(framed(query(i)))
            answers.add(check(read_framed(s), i))
    if len(answers) != 1:
        sys.exit(f"one connection, answers of several backends: {answers}")


def ttl(args):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    s.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    s.sendto(query(7), (args.server, 53))
    wire, ancillary, _, _ = s.recvmsg(4096, 64)
    check(wire, 7)
    print(struct.unpack("i", ancillary[0][2])[0])


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
verbs = parser.add_subparsers(required=True)


def verb(function, *positional, **options):
    p = verbs.add_parser(function.__name__)
    p.set_defaults(run=function)
    for name in positional:
        p.add_argument(name, type=int if name == "count" else str)
    for name in options.get("flags", ()):
        p.add_argument("--" + name, action="store_true")
    p.add_argument("--from", dest="source")
    return p


verb(pipeline, "server", "count", flags=["slow"])
verb(forge, "server", flags=["slow", "alone"])
verb(hold, "server", "stop")
verb(steady, "server", "stop", "log").add_argument("--interval", type=float, default=0.005)
verb(twins, flags=["tcp"]).add_argument("resolvers", nargs="+")
verb(tally, "server", "count", flags=["tcp"])
verb(stays, "server", "count")
verb(ttl, "server")
arguments = parser.parse_args()
arguments.run(arguments)
