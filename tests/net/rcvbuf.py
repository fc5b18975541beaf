#!/usr/bin/python3
"""rcvbuf.py PID: larger receive buffers for the UDP sockets of a process.

A server that waits for its turn on a busy machine shall not lose what comes meanwhile: each frame takes a page of
the usual 208 KiB. net.core.rmem_default is the whole machine's, and Knot has no option for it.
"""
import ctypes
import os
import socket
import sys

SYS_PIDFD_GETFD = 438       # on every architecture; Python has no name for it
SO_RCVBUFFORCE = 33         # asm-generic/socket.h: beyond net.core.rmem_max too
SIZE = 8 << 20

libc = ctypes.CDLL(None, use_errno=True)
pid = int(sys.argv[1])
pidfd = os.pidfd_open(pid)
for number in os.listdir(f"/proc/{pid}/fd"):
    try:
        if not os.readlink(f"/proc/{pid}/fd/{number}").startswith("socket:"):
            continue
    except FileNotFoundError:
        continue
    fd = libc.syscall(SYS_PIDFD_GETFD, pidfd, int(number), 0)
    if fd < 0:
        continue            # closed in the meantime
    with socket.socket(fileno=fd) as s:
        if s.type == socket.SOCK_DGRAM and s.family in (socket.AF_INET, socket.AF_INET6):
            s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, SIZE)
