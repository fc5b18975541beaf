#!/usr/bin/python3
"""samepackets.py VERB ...: does a packet leave as it came?

  send SOURCE DESTINATION [WITHOUT]
                                Packets of many kinds from raw sockets, none of them a DNS query: other ports, also
                                with 53 as source; ICMP, SCTP, GRE, ESP; headers with options; fragments; nonsense.
                                None of the IP protocol WITHOUT. Prints how many.
  compare HOPS COUNT FILE FILE  Two captures (tcpdump -w) hold the same COUNT IP packets, byte for byte, but for the TTL
                                or hop limit, which is HOPS less, and with it the checksum of IPv4's header.
"""
import collections
import random
import socket
import struct
import sys


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return total ^ 0xffff


def packets(source, destination):
    """(protocol, bytes behind the IP header, fragment offset in units of 8, more fragments, TTL)"""
    chance = random.Random(53)
    for size in (0, 1, 12, 100, 1300):
        data = chance.randbytes(size)
        for sport, dport in ((4000, 5353), (53, 4000), (53, 54), (853, 443), (443, 8853), (20000, 40000)):
            udp = struct.pack("!HHHH", sport, dport, 8 + size, 0)
            full = checksum(source + destination + struct.pack("!HH", 17, 8 + size) + udp + data) or 0xffff
            yield 17, udp[:6] + struct.pack("!H", full) + data, 0, 0, 64
            yield 17, udp[:6] + struct.pack("!H", full ^ 0x5a5a) + data, 0, 0, 63            # a wrong checksum
        for flags in (0x02, 0x10, 0x04, 0x01, 0xff, 0x00):
            tcp = struct.pack("!HHIIBBHHH", 4000, 8080, size, 7, 8 << 4, flags, 99, 0, 0) + b"\1" * 8 + b"\2\4\5\xb4"
            full = checksum(source + destination + struct.pack("!HH", 6, len(tcp) + size) + tcp + data)
            yield 6, tcp[:16] + struct.pack("!H", full) + tcp[18:] + data, 0, 0, 64
        for protocol in (132, 47, 50, 51, 136, 253):     # SCTP, GRE, ESP, AH, UDP-Lite, experiments
            yield protocol, chance.randbytes(max(size, 24)), 0, 0, 64
    for more, offset in ((1, 0), (1, 10), (0, 100)):
        yield 17, struct.pack("!HHHH", 4000, 5353, 888, 0) + chance.randbytes(72), offset, more, 64
        yield 132, chance.randbytes(80), offset, more, 64
    yield 17, b"\x0f", 0, 0, 64
    yield 6, struct.pack("!HH", 4000, 8080), 0, 0, 64
    if len(source) == 4:
        yield 1, b"\x08\0" + struct.pack("!H", checksum(b"\x08\0\0\0\0\1\0\1")) + b"\0\1\0\1", 0, 0, 64
        yield 1, b"\x0d\0" + chance.randbytes(18), 0, 0, 64


def send(source, destination, without=""):
    is_v6 = ":" in source
    family = socket.AF_INET6 if is_v6 else socket.AF_INET
    raw = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
    src, dst = (socket.inet_pton(family, a) for a in (source, destination))
    count = 0
    for protocol, body, offset, more, ttl in packets(src, dst):
        if str(protocol) == without:
            continue
        count += 1
        if is_v6:
            if offset or more:
                body = struct.pack("!BBHI", protocol, 0, offset << 3 | more, count) + body
                protocol = 44
            elif count % 5 == 0:
                body = struct.pack("!BB", protocol, 0) + bytes([1, 4, 0, 0, 0, 0]) + body
                protocol = 60                            # destination options
            header = struct.pack("!IHBB", 6 << 28 | count % 256 << 20 | count, len(body), protocol, ttl) + src + dst
        else:
            options = bytes([1, 1, 1, 0]) if count % 5 == 0 else b""
            header = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, count % 256 & 0xfc, 20 + len(options) + len(body), count,
                                 more << 13 | offset | (0 if more or offset else count % 2 << 14), ttl, protocol, 0)
            header += src + dst + options
        raw.sendto(header + body, (destination, 0))
    print(count)


def ip_packets(path, hops):
    with open(path, "rb") as capture:
        data = capture.read()
    link, = struct.unpack_from("<I", data, 20)
    at = 24
    while at < len(data):
        length, = struct.unpack_from("<I", data, at + 8)
        packet = bytearray(data[at + 16:at + 16 + length][{1: 14, 12: 0, 101: 0, 9: 4, 113: 16, 276: 20}[link & 0xffff]:])
        at += 16 + length
        if packet[0] >> 4 == 4:
            packet = packet[:struct.unpack_from("!H", packet, 2)[0]]
            packet[8] -= hops
            right = checksum(bytes(packet[:10] + b"\0\0" + packet[12:(packet[0] & 15) * 4]))
            if hops == 0 and right != struct.unpack_from("!H", packet, 10)[0]:
                sys.exit(f"a wrong IP checksum: {packet.hex()}")
            packet[10:12] = b"\0\0"
        else:
            packet = packet[:40 + struct.unpack_from("!H", packet, 4)[0]]
            packet[7] -= hops
        yield bytes(packet)


def compare(hops, count, before, after):
    before = collections.Counter(ip_packets(before, hops))
    after = collections.Counter(ip_packets(after, 0))
    for missing in (before - after):
        print("went in and did not come out:", missing.hex())
    for added in (after - before):
        print("came out and did not go in:  ", added.hex())
    print(sum(before.values()), "went in,", sum(after.values()), "came out")
    sys.exit(before != after or sum(before.values()) != count)


if sys.argv[1] == "send":
    send(*sys.argv[2:])
else:
    compare(int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
