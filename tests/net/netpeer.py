#!/usr/bin/python3
"""netpeer.py VERB ...: both ends of what a network does to packets. IPv4 and IPv6. Exit 0 when all was well.

Servers, which say "ready" and run until they are ended:
  serve PORT LOG [--at ADDRESS...]
                        TCP. The first line a client sends is a command:
                          take N       read N bytes, answer with their sum
                          give N       send N bytes
                          say WORDS    answer WORDS and close first
                          reset        end with a RST
                          close-at T   close at the time T (CLOCK_MONOTONIC), whatever the other side does
                        Each connection is a line of JSON in LOG, as the clients print it.
  fragments ADDRESS PORT ORDER...
                        UDP, for DNS: every reply is made by hand, of a size that needs as many fragments as
                        ORDER has numbers (0 is the first), and sent in this order, "0 2 1" for instance.
  echo PORT... --at ADDRESS...
                        TCP and UDP: what comes goes back.

Clients:
  stream SERVER PORT BYTES      BYTES random bytes there (take) and back (give), compared by their sum.
  axfr SERVER PORT ZONE         A zone transfer: its length and the sum of its bytes.
  reuse SERVER PORT COUNT       COUNT connections from one port, each closed by the server, one at once after the
                                other. The milliseconds that half of them took at most.
  reset SERVER PORT             The server's RST arrives, and a new connection from the same port works.
  close SERVER PORT COUNT       COUNT connections that both sides close at the same time, as near as it gets.
  udp SERVER PORT [QNAME [QTYPE]]
                                A DNS query: "answer BYTES TTL" or "error NAME TYPE CODE MTU OFFENDER".
      --size N                  with a padding option up to N bytes of payload
      --ttl N --df --no-checksum --ip-option --extension hop|dest     as they say
      --frame DEVICE,MAC        in a frame made by hand, to MAC; with tags (--vlan ID) and bytes behind the packet (--pad N)
  pair SERVER [PORT]            A and AAAA from one port, as libc does. Prints the TTL of the answers.
      --no-checksum             the second over IPv4 without UDP checksum
  refused udp|tcp SERVER PORT   A DNS query: "works", or the name of the error and the milliseconds until it came, or
                                "silence".

--from ADDRESS and --sport PORT for all clients.
"""
import argparse
import errno
import hashlib
import json
import os
import select
import selectors
import socket
import struct
import sys
import threading
import time

PATIENCE = 20.0
# linux/in.h, linux/in6.h, linux/errqueue.h: what Python has no names for
IP_MTU_DISCOVER, IP_PMTUDISC_DONT, IP_PMTUDISC_PROBE = 10, 0, 3
IP_RECVERR, IP_RECVTTL, IPV6_RECVERR = 11, 12, 25
IPV6_MTU_DISCOVER, IPV6_DONTFRAG = 23, 62
SO_NO_CHECK = 11


QTYPES = {"A": 1, "TXT": 16, "AAAA": 28, "AXFR": 252}


# dnspython would do this, and take five times as long to start as all the rest.
def dns_query(qname, qtype, size=0):
    """A query with an EDNS buffer of 4096 bytes, padded (RFC 7830) to a size if that is given. AXFR is without."""
    name = b"".join(struct.pack("B", len(label)) + label for label in qname.encode().split(b".")) + b"\0"
    has_edns = qtype != "AXFR"
    wire = os.urandom(2) + struct.pack("!5H", 0x0100, 1, 0, 0, has_edns) + name + struct.pack("!2H", QTYPES[qtype], 1)
    if not has_edns:
        return wire
    padding = b""
    if size:
        room = size - len(wire) - 11 - 4
        padding = struct.pack("!2H", 12, room) + bytes(room)
    return wire + struct.pack("!BHHIH", 0, 41, 4096, 0, len(padding)) + padding


def is_answer(wire, query):
    """The reply (QR=1, no error) to this query: its ID and its question."""
    end = query.index(b"\0", 12) + 5
    return wire[:2] == query[:2] and wire[2] & 0x80 and not wire[3] & 0x0f and wire[12:end] == query[12:end]


def framed(wire):
    return struct.pack("!H", len(wire)) + wire


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def new_socket(args, kind):
    family = family_of(args.server)
    s = socket.socket(family, kind)
    s.settimeout(PATIENCE)
    if args.source or args.sport:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((args.source or ("::" if family == socket.AF_INET6 else "0.0.0.0"), args.sport))
    return s


def connect(args):
    begin = time.monotonic()
    while True:
        s = new_socket(args, socket.SOCK_STREAM)
        try:
            s.connect(socket.getaddrinfo(args.server, args.port, type=socket.SOCK_STREAM)[0][4])
            return s
        except OSError as e:
            # Until the server has acknowledged its FIN, an old connection of this port is there.
            if not args.sport or e.errno != errno.EADDRNOTAVAIL or time.monotonic() > begin + PATIENCE:
                raise
        s.close()
        time.sleep(0.002)


def tcp_info(s):
    info = s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    options = info[5]
    return {"timestamps": bool(options & 1), "sack": bool(options & 2), "wscale": bool(options & 4),
            "snd_mss": struct.unpack_from("I", info, 16)[0], "pmtu": struct.unpack_from("I", info, 60)[0],
            "retransmitted": struct.unpack_from("I", info, 100)[0]}


def read_line(s):
    line = b""
    while not line.endswith(b"\n"):
        part = s.recv(1)
        if not part:
            break
        line += part
    return line.decode()


def read_sum(s, length):
    """Read so many bytes; their sum."""
    h = hashlib.sha256()
    while length:
        part = s.recv(min(length, 1 << 18))
        if not part:
            sys.exit(f"the connection ended {length} bytes early")
        h.update(part)
        length -= len(part)
    return h.hexdigest()


def noise(length):
    """Bytes that a misplaced segment would change the sum of."""
    return hashlib.shake_128(str(length).encode()).digest(length)


# ---------------------------------------------------------------- servers

def serve(args):
    if args.at:
        listeners = [socket.create_server((a, args.port), family=family_of(a)) for a in args.at]
    else:
        listeners = [socket.create_server(("::", args.port), family=socket.AF_INET6, dualstack_ipv6=True)]

    def one(s, peer):
        s.settimeout(PATIENCE)
        command, _, rest = read_line(s).strip().partition(" ")
        if command == "take":
            s.sendall(read_sum(s, int(rest)).encode())
        elif command == "give":
            s.sendall(noise(int(rest)))
            while s.recv(1 << 16):
                pass
        elif command == "say":
            s.sendall(rest.encode())
        elif command == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif command == "close-at":
            s.sendall(b"+")
            close_at(s, float(rest))
        line = json.dumps({"command": command, "peer": peer[0].removeprefix("::ffff:"), **tcp_info(s)})
        s.close()
        with open(args.log, "a", encoding="ascii") as log:
            print(line, file=log)

    print("ready", flush=True)
    while True:
        for listener in select.select(listeners, [], [])[0]:
            threading.Thread(target=one, args=listener.accept(), daemon=True).start()


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def fragments(args):
    order = [int(n) for n in args.order]
    count = len(order)
    family = family_of(args.server)
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.bind((args.server, args.port))
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    print("ready", flush=True)
    number = 1000
    while True:
        wire, peer = s.recvfrom(4096)
        reply = wire[:2] + b"\x84\0" + wire[4:10] + b"\0\0" + wire[12:wire.index(b"\0", 12) + 5]
        size = (count - 1) * 1200 + 600         # a full piece is 1200 bytes
        payload = reply + noise(size)[:size - len(reply) - 8]
        source, destination = (socket.inet_pton(family, a) for a in (args.server, peer[0]))
        udp = struct.pack("!HHHH", args.port, peer[1], size, 0)
        pseudo = source + destination + struct.pack("!HH", socket.IPPROTO_UDP, size)
        udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp + payload) or 0xffff) + payload
        number += 1
        for n in order:
            piece = udp[n * 1200:(n + 1) * 1200]
            more = n < count - 1
            if family == socket.AF_INET:
                packet = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(piece), number,
                                     more << 13 | n * 150, 64, socket.IPPROTO_UDP, 0, source, destination)
            else:
                packet = struct.pack("!IHBB16s16sBBHI", 6 << 28, 8 + len(piece), 44, 64, source, destination,
                                     socket.IPPROTO_UDP, 0, n * 1200 | more, number)
            raw.sendto(packet + piece, (peer[0], 0))


def echo(args):
    ready = selectors.DefaultSelector()
    for address in args.at:
        for port in args.ports:
            ready.register(socket.create_server((address, port), family=family_of(address)), selectors.EVENT_READ, "listener")
            s = socket.socket(family_of(address), socket.SOCK_DGRAM)
            s.bind((address, port))
            ready.register(s, selectors.EVENT_READ, "udp")
    print("ready", flush=True)
    while True:
        for key, _ in ready.select():
            s = key.fileobj
            try:
                if key.data == "listener":
                    ready.register(s.accept()[0], selectors.EVENT_READ, "connection")
                elif key.data == "udp":
                    s.sendto(*s.recvfrom(65535))
                elif data := s.recv(65536):
                    s.sendall(data)
                else:
                    raise ConnectionResetError
            except OSError:
                if key.data == "connection":
                    ready.unregister(s)
                    s.close()


# ---------------------------------------------------------------- TCP clients

def stream(args):
    data = noise(args.count)
    begin = time.monotonic()
    s = connect(args)
    s.sendall(f"take {args.count}\n".encode())
    s.sendall(data)
    if read_sum(s, 64) != hashlib.sha256(hashlib.sha256(data).hexdigest().encode()).hexdigest():
        sys.exit("other bytes arrived there than were sent")
    info = tcp_info(s)
    s.close()
    s = connect(args)
    s.sendall(f"give {args.count}\n".encode())
    if read_sum(s, args.count) != hashlib.sha256(data).hexdigest():
        sys.exit("other bytes came back than were sent")
    print(json.dumps({**info, "seconds": round(time.monotonic() - begin, 2)}))


def first_record(message):
    """The data of the first answer."""
    at = message.index(b"\0", 12) + 5
    while message[at] and message[at] < 0xc0:
        at += 1 + message[at]
    at += 2 if message[at] else 1
    length, = struct.unpack_from("!H", message, at + 8)
    if not struct.unpack_from("!H", message, 6)[0]:
        sys.exit("no zone in the answer")
    return message[at + 10:at + 10 + length]


def axfr(args):
    s = connect(args)
    s.sendall(framed(dns_query(args.zone, "AXFR")))
    h, total, soa = hashlib.sha256(), 0, None
    stream_file = s.makefile("rb", buffering=1 << 18)
    while True:
        length = struct.unpack("!H", stream_file.read(2))[0]
        message = stream_file.read(length)
        if len(message) < length:
            sys.exit(f"the connection ended after {total} bytes")
        total += length
        h.update(message[2:])       # without its ID
        if soa is None:
            soa = first_record(message)[-20:]
        # Serial and timers of the SOA: how the last record ends, and only it and the first hold them.
        elif message.endswith(soa):
            break
    print(total, h.hexdigest())


def say(args, word):
    s = connect(args)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s.sendall(f"say {word}\n".encode())
    answer = b""
    while part := s.recv(100):
        answer += part
    s.close()
    if answer.decode() != word:
        sys.exit(f"got {answer}, wanted {word}")


def reuse(args):
    args.sport = args.sport or 34567
    took = []
    for i in range(args.count):
        begin = time.monotonic()
        say(args, f"number-{i}")
        took.append(time.monotonic() - begin)
    print(int(sorted(took)[len(took) // 2] * 1000))


def reset(args):
    args.sport = args.sport or 34568
    for _ in range(5):
        s = connect(args)
        s.sendall(b"reset\n")
        try:
            sys.exit(f"no RST but {s.recv(10)}")
        except ConnectionResetError:
            s.close()
        say(args, "after-a-reset")


def close_at(s, when):
    time.sleep(max(0.0, when - time.monotonic()))
    s.shutdown(socket.SHUT_WR)
    s.settimeout(PATIENCE)
    if s.recv(1):
        sys.exit("a byte instead of an end")


def close(args):
    for _ in range(args.count):
        s = connect(args)
        when = time.monotonic() + 0.05
        s.sendall(f"close-at {when}\n".encode())
        s.recv(1)
        close_at(s, when)
        s.close()


# ---------------------------------------------------------------- UDP clients

def send_frame(args, s, payload):
    """The query in an Ethernet frame made by hand; its answer comes to the socket."""
    device, mac = args.frame.split(",")
    source, sport = s.getsockname()[:2]
    source, destination = (socket.inet_pton(s.family, a) for a in (source, args.server))
    size = 8 + len(payload)
    header = struct.pack("!HHHH", sport, args.port, size, 0)
    pseudo = source + destination + struct.pack("!HH", socket.IPPROTO_UDP, size)
    header = header[:6] + struct.pack("!H", checksum(pseudo + header + payload) or 0xffff)
    if s.family == socket.AF_INET:
        ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + size, 1, 0, 64, socket.IPPROTO_UDP, 0, source, destination)
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        ethertype = 0x0800
    else:
        ip = struct.pack("!IHBB16s16s", 6 << 28, size, socket.IPPROTO_UDP, 64, source, destination)
        ethertype = 0x86dd
    link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    link.bind((device, 0))
    tags = b"".join(struct.pack("!HH", 0x8100, tag) for tag in args.vlan)
    addresses = bytes.fromhex(mac.replace(":", "")) + link.getsockname()[4]
    link.send(addresses + tags + struct.pack("!H", ethertype) + ip + header + payload + b"\xa5" * args.pad)


def udp(args):
    is_v6 = family_of(args.server) == socket.AF_INET6
    s = new_socket(args, socket.SOCK_DGRAM)
    level = socket.IPPROTO_IPV6 if is_v6 else socket.IPPROTO_IP
    s.setsockopt(level, IPV6_RECVERR if is_v6 else IP_RECVERR, 1)
    s.setsockopt(level, socket.IPV6_RECVHOPLIMIT if is_v6 else IP_RECVTTL, 1)
    if args.ttl:
        s.setsockopt(level, socket.IPV6_UNICAST_HOPS if is_v6 else socket.IP_TTL, args.ttl)
    if is_v6:
        s.setsockopt(level, IPV6_MTU_DISCOVER, IP_PMTUDISC_PROBE if args.df else IP_PMTUDISC_DONT)
        s.setsockopt(level, IPV6_DONTFRAG, int(args.df))
    else:
        s.setsockopt(level, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE if args.df else IP_PMTUDISC_DONT)
    if args.no_checksum:
        s.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    if args.ip_option:
        s.setsockopt(level, socket.IP_OPTIONS, bytes([7, 11, 4]) + bytes(9))    # record route, two places, end
    if args.extension:
        header = bytes([0, 0, 1, 4, 0, 0, 0, 0])                                # PadN
        s.setsockopt(level, socket.IPV6_HOPOPTS if args.extension == "hop" else socket.IPV6_DSTOPTS, header)
    query = dns_query(args.qname, args.qtype, args.size)
    s.connect(socket.getaddrinfo(args.server, args.port, type=socket.SOCK_DGRAM)[0][4])
    if args.frame:
        send_frame(args, s, query)
    else:
        s.send(query)
    waiting = select.poll()
    waiting.register(s, select.POLLIN | select.POLLERR)
    if not waiting.poll(args.wait * 1000):
        print("silence")
        return
    try:
        wire, ancillary, _, _ = s.recvmsg(65535, 512)
    except OSError as e:
        _, ancillary, _, _ = s.recvmsg(65535, 512, socket.MSG_ERRQUEUE)
        report = next(a[2] for a in ancillary if a[0] == level and a[1] in (IP_RECVERR, IPV6_RECVERR))
        _, _, kind, code, _, mtu, _ = struct.unpack_from("IBBBBII", report)
        offender = report[24:40] if is_v6 else report[20:24]
        print("error", errno.errorcode[e.errno], kind, code, mtu, socket.inet_ntop(s.family, offender))
        return
    if not is_answer(wire, query) and wire != query:
        sys.exit(f"not the answer: {wire.hex()}")
    hops = next(a[2] for a in ancillary if a[0] == level)
    print("answer", len(wire), struct.unpack("i", hops)[0])


def pair(args):
    is_v6 = family_of(args.server) == socket.AF_INET6
    s = new_socket(args, socket.SOCK_DGRAM)
    if is_v6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVHOPLIMIT, 1)
    else:
        s.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
    queries = [dns_query("www.example.com", kind) for kind in ("A", "AAAA")]
    destination = socket.getaddrinfo(args.server, args.port, type=socket.SOCK_DGRAM)[0][4]
    for query in queries:
        s.sendto(query, destination)
        if args.no_checksum and not is_v6:
            s.setsockopt(socket.SOL_SOCKET, SO_NO_CHECK, 1)
    hops = set()
    for _ in range(2):
        wire, ancillary, _, sender = s.recvmsg(4096, 512)
        hops.add(struct.unpack("i", ancillary[0][2])[0])
        asked = [q for q in queries if is_answer(wire, q)]
        if sender[:2] != destination[:2] or not asked:
            sys.exit(f"from {sender}, asked {destination}: {wire.hex()}")
        queries.remove(asked[0])
    print(*hops)


def refused(args):
    kind = socket.SOCK_STREAM if args.protocol == "tcp" else socket.SOCK_DGRAM
    s = new_socket(args, kind)
    s.settimeout(args.wait)
    begin = time.monotonic()
    try:
        s.connect(socket.getaddrinfo(args.server, args.port, type=kind)[0][4])
        wire = dns_query("www.example.com", "A")
        s.send(wire if args.protocol == "udp" else framed(wire))
        print("works" if s.recv(4096) else "closed")
    except TimeoutError:
        print("silence")
    except OSError as e:
        print(errno.errorcode[e.errno], int((time.monotonic() - begin) * 1000))


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
verbs = parser.add_subparsers(required=True)


def verb(function, *positional):
    p = verbs.add_parser(function.__name__)
    p.set_defaults(run=function)
    for name in positional:
        p.add_argument(name, type=int if name in ("port", "count") else str)
    p.add_argument("--from", dest="source")
    p.add_argument("--sport", type=int, default=0)
    p.add_argument("--wait", type=float, default=PATIENCE)
    return p


verb(serve, "port", "log").add_argument("--at", nargs="+")
verb(fragments, "server", "port").add_argument("order", nargs="+")
echo_verb = verb(echo)
echo_verb.add_argument("ports", nargs="+", type=int)
echo_verb.add_argument("--at", nargs="+")
verb(stream, "server", "port", "count")
verb(axfr, "server", "port", "zone")
verb(reuse, "server", "port", "count")
verb(reset, "server", "port")
verb(close, "server", "port", "count")
query_verb = verb(udp, "server", "port")
query_verb.add_argument("qname", nargs="?", default="www.example.com")
query_verb.add_argument("qtype", nargs="?", default="A")
query_verb.add_argument("--size", type=int, default=0)
query_verb.add_argument("--ttl", type=int, default=0)
query_verb.add_argument("--frame")
query_verb.add_argument("--vlan", type=int, action="append", default=[])
query_verb.add_argument("--pad", type=int, default=0)
query_verb.add_argument("--extension", choices=["hop", "dest"])
for flag in ("df", "no-checksum", "ip-option"):
    query_verb.add_argument("--" + flag, action="store_true")
pair_verb = verb(pair, "server")
pair_verb.add_argument("port", nargs="?", type=int, default=53)
pair_verb.add_argument("--no-checksum", action="store_true")
verb(refused, "protocol", "server", "port")
arguments = parser.parse_args()
arguments.run(arguments)
