#!/usr/bin/python3
"""proxywire.py DEVICE PORT: what arrives on DEVICE for a DNS server at PORT, in front of its DNS messages.

Reads packets, not sockets: what is shown has been on the wire. One line of output for the first DNS message of each
TCP connection, and for each datagram:

    udp|tcp NAME BYTES WHOLE

NAME is the first label of the question and BYTES, in hexadecimal, is all that came before the message (and before
its length, with TCP). WHOLE is "whole" when the first segment has all of BYTES and more, else "split". Says "ready"
first, and goes on until it is ended.
"""
import socket
import struct
import sys

ETH_P_ALL = 3
ETH_P_IP, ETH_P_IPV6 = 0x0800, 0x86DD
QUESTION_TAIL = b"\7example\3com\0"


def show(*words):
    print(*words, flush=True)


def question(data):
    """Where the name of the question begins, and its first label; the message begins 12 bytes before."""
    end = data.find(QUESTION_TAIL)
    for length in range(1, min(end, 64)):
        if data[end - length - 1] == length:
            return end - length - 1, data[end - length:end].decode()
    return None, None


def transport_of(packet):
    """Protocol, the other side's address, and the transport header with its payload."""
    if packet[0] >> 4 == 4:
        length, header = struct.unpack_from("!H", packet, 2)[0], (packet[0] & 15) * 4
        return packet[9], packet[12:16], packet[header:length]
    return packet[6], packet[8:24], packet[40:40 + struct.unpack_from("!H", packet, 4)[0]]


class Stream:
    def __init__(self, start):
        self.start, self.data, self.first, self.is_done = start, b"", None, False

    def add(self, seq, payload):
        off = (seq - self.start) & 0xffffffff
        if self.is_done or not payload or off != len(self.data):    # again, or out of order: not in this lab
            return
        self.first = self.first or len(payload)
        self.data += payload
        begin, name = question(self.data)
        if name:
            before = self.data[:begin - 14]
            show("tcp", name, before.hex() or "-", "whole" if self.first > len(before) else "split")
            self.is_done = True


device, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
s.bind((device, ETH_P_ALL))
streams = {}
show("ready")
while True:
    packet, address = s.recvfrom(65536)
    if address[1] not in (ETH_P_IP, ETH_P_IPV6) or address[2] == socket.PACKET_OUTGOING:
        continue
    protocol, peer, rest = transport_of(packet)
    if protocol not in (6, 17) or len(rest) < 8:
        continue
    sport, dport = struct.unpack_from("!HH", rest)
    if dport != port:
        continue
    if protocol == 17:
        begin, name = question(rest[8:])
        if name:
            show("udp", name, rest[8:8 + begin - 12].hex() or "-", "whole")
        continue
    seq, flags = struct.unpack_from("!I", rest, 4)[0], rest[13]
    if flags & 2:
        streams[peer, sport] = Stream((seq + 1) & 0xffffffff)
    elif (peer, sport) in streams:
        streams[peer, sport].add(seq, rest[(rest[12] >> 4) * 4:])
