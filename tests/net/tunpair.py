#!/usr/bin/python3
"""tunpair.py NETNS_A NAME_A NETNS_B NAME_B: a stand-in for a ppp link.

Opens a tun device in each of two network namespaces and copies packets between them. They are
link/ppp for the kernel (ARPHRD_PPP) and have no Ethernet header, which is what a tc program sees of
ppp. Plain tun, without checksum offload, as the errors of a wrong checksum are masked otherwise.
The devices vanish with this process, as ppp devices do with pppd.
"""
import ctypes
import fcntl
import os
import selectors
import struct
import sys

TUNSETIFF = 0x400454CA
TUNSETLINK = 0x400454CD
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
ARPHRD_PPP = 512
CLONE_NEWNET = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)


def open_tun(netns, name):
    ns = os.open(netns, os.O_RDONLY)
    if libc.setns(ns, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns " + netns)
    os.close(ns)
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    fcntl.ioctl(tun, TUNSETLINK, ARPHRD_PPP)
    return tun


def copy_waiting(source, sink):
    for _ in range(64):
        try:
            packet = os.read(source, 65536)
        except BlockingIOError:
            return
        except OSError:
            # EIO while the device is down, EBADFD when it was deleted
            if not exists(source):
                sys.exit(0)
            return
        try:
            os.write(sink, packet)
        except OSError:
            pass        # the other end is down: the packet is lost, as on a real link


def exists(tun):
    try:
        fcntl.ioctl(tun, 0x800454D2, bytearray(40))     # TUNGETIFF
        return True
    except OSError:
        return False


a = open_tun(sys.argv[1], sys.argv[2])
b = open_tun(sys.argv[3], sys.argv[4])
ready = selectors.DefaultSelector()
ready.register(a, selectors.EVENT_READ, b)
ready.register(b, selectors.EVENT_READ, a)
while True:
    for key, _ in ready.select():
        copy_waiting(key.fd, key.data)
