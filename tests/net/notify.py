#!/usr/bin/python3
"""notify.py SOCKET: stands in for systemd: binds a NOTIFY_SOCKET and prints what arrives there."""
import socket
import sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    print(s.recv(4096).decode(), flush=True)
