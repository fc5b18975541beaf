#!/usr/bin/python3
"""forger.py VERB ...: does a server believe a PROXY header that the client made?

  serve PORT            Prints "ready", and of each connection the peer and the first bytes that came, in hex.
  talk SERVER PORT HOW  A TCP client made by hand, from --from and --sport. Prints whether the server's SYN-ACK came.
                          plain      the handshake, and a query
                          own        the query begins with a PROXY header of the client's own
                          straddle   the same, in a segment that begins one byte before the client's first
                          syn-data   it is in the SYN
                          syn-ack-data   it is in a SYN-ACK, whose SYN is the one before the client's first byte
                          race       two SYNs at once; the handshake is about the first
                          again      the same on a port used before, with numbers below those of the last connection

The client's kernel knows nothing of the connection and must not send RSTs: those with the TTL of this program are ours.
"""
import argparse
import os
import socket
import struct
import sys
import threading
import time

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
TTL = 77
QUERY = struct.pack("!6H", 1, 0x100, 1, 0, 0, 0) + b"\3www\7example\4test\0\0\1\0\1"
MESSAGE = struct.pack("!H", len(QUERY)) + QUERY
# 192.0.2.66 port 1234, who is not here, to 192.0.2.53 port 53
FORGED = bytes.fromhex("0d0a0d0a000d0a515549540a2111000cc0000242c000023504d20035")


def serve(args):
    def listen_to(s, peer):
        data = b""
        s.settimeout(3)
        try:
            while len(data) < 64:
                part = s.recv(64)
                if not part:
                    break
                data += part
        except OSError:
            pass
        print(peer[0], peer[1], data.hex() or "-", flush=True)
        s.close()

    listener = socket.create_server(("", args.port), backlog=128)
    print("ready", flush=True)
    while True:
        s, peer = listener.accept()
        threading.Thread(target=listen_to, args=(s, peer), daemon=True).start()


class Tcp:
    def __init__(self, args):
        self.source, self.server = socket.inet_aton(args.source), socket.inet_aton(args.server)
        self.to, self.sport, self.dport = args.server, args.sport, args.port
        self.raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
        self.raw.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, TTL)
        self.raw.bind((args.source, 0))

    def send(self, flags, seq, ack=0, payload=b""):
        header = struct.pack("!HHIIBBHHH", self.sport, self.dport, seq & 0xffffffff, ack, 0x50, flags, 8192, 0, 0)
        pseudo = self.source + self.server + struct.pack("!HH", 6, len(header) + len(payload))
        data = pseudo + header + payload + b"\0" * (len(payload) & 1)
        total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
        while total >> 16:
            total = (total & 0xffff) + (total >> 16)
        header = header[:16] + struct.pack("!H", ~total & 0xffff) + header[18:]
        self.raw.sendto(header + payload, (self.to, 0))

    def syn_ack(self, seq, seconds=1.5):
        """The number the server begins with, when it agrees to ours."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self.raw.settimeout(left)
            try:
                packet = self.raw.recv(4096)
            except OSError:
                break
            tcp = packet[(packet[0] & 15) * 4:]
            sport, dport, number, ack, _, flags = struct.unpack("!HHIIBB", tcp[:14])
            if packet[12:16] == self.server and (sport, dport) == (self.dport, self.sport) and \
                    flags & (SYN | ACK | RST) == SYN | ACK and ack == (seq + 1) & 0xffffffff:
                return number
        return None


def talk(args):
    tcp = Tcp(args)
    first = int.from_bytes(os.urandom(4), "big") | 0x40000000
    payload = FORGED + MESSAGE
    if args.how == "again":
        tcp.send(SYN, first)
        number = tcp.syn_ack(first)
        if number is None:
            sys.exit("no connection to begin with")
        tcp.send(ACK, first + 1, number + 1)
        tcp.send(RST | ACK, first + 1, number + 1)
        time.sleep(0.05)        # for the server to forget it; nothing says when
        first -= 100000
    tcp.send(SYN, first, payload=payload if args.how == "syn-data" else b"")
    if args.how in ("race", "again"):
        tcp.send(SYN, first + 0x12345678)
    number = tcp.syn_ack(first)
    print("syn-ack" if number is not None else "silence")
    if number is None:
        return
    if args.how == "syn-ack-data":
        tcp.send(SYN | ACK, first, number + 1, payload)
    tcp.send(ACK, first + 1, number + 1)
    if args.how == "plain":
        tcp.send(PSH | ACK, first + 1, number + 1, MESSAGE)
    elif args.how == "straddle":
        tcp.send(PSH | ACK, first, number + 1, b"\0" + payload)
    elif args.how != "syn-data":
        tcp.send(PSH | ACK, first + 1, number + 1, payload)
    time.sleep(0.2)             # whatever the server makes of it
    tcp.send(RST | ACK, first + 1, number + 1)
    tcp.send(RST, first + 1 + len(payload), number + 1)


parser = argparse.ArgumentParser()
verbs = parser.add_subparsers(required=True)
p = verbs.add_parser("serve")
p.add_argument("port", type=int)
p.set_defaults(run=serve)
p = verbs.add_parser("talk")
p.add_argument("server")
p.add_argument("port", type=int)
p.add_argument("how")
p.add_argument("--from", dest="source", required=True)
p.add_argument("--sport", type=int, required=True)
p.set_defaults(run=talk)
args = parser.parse_args()
args.run(args)
