#!/usr/bin/python3
"""tcx.py VERB ...: what the bpftool and tc of Debian 12 do not know about tcx (Linux 6.6 and newer).

  hold PROGRAM_ID DEVICE first|last
      Attaches a program that the kernel has already to tcx ingress of DEVICE, before or after all others, until
      this process ends.
  list DEVICE [ingress|egress]
      The programs at tcx ingress (or egress) of DEVICE, ID and name, in the order they run. Exit 3: this kernel has no tcx.
"""
import ctypes
import errno
import os
import signal
import socket
import struct
import sys

# linux/bpf.h
PROG_GET_FD_BY_ID, OBJ_GET_INFO_BY_FD, PROG_QUERY, LINK_CREATE = 13, 15, 16, 28
TCX_INGRESS, TCX_EGRESS, BEFORE, AFTER = 46, 47, 1 << 3, 1 << 4
NR_BPF = {"x86_64": 321, "aarch64": 280}[os.uname().machine]

libc = ctypes.CDLL(None, use_errno=True)


def bpf(command, attributes):
    """attributes: the beginning of union bpf_attr, which the kernel may write to."""
    buffer = ctypes.create_string_buffer(attributes, 128)
    result = libc.syscall(NR_BPF, command, buffer, len(buffer))
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result, buffer.raw


def program(number):
    return bpf(PROG_GET_FD_BY_ID, struct.pack("I", number))[0]


def hold(number, device, place):
    flags = {"first": BEFORE, "last": AFTER}[place]
    bpf(LINK_CREATE, struct.pack("IIII", program(int(number)), socket.if_nametoindex(device), TCX_INGRESS, flags))
    signal.pause()


def name(number):
    info = ctypes.create_string_buffer(256)
    bpf(OBJ_GET_INFO_BY_FD, struct.pack("IIQ", program(number), len(info), ctypes.addressof(info)))
    return info.raw[64:80].split(b"\0")[0].decode()     # struct bpf_prog_info, name


def list_programs(device, hook="ingress"):
    attach_type = {"ingress": TCX_INGRESS, "egress": TCX_EGRESS}[hook]
    numbers = (ctypes.c_uint32 * 64)()
    try:
        # target, attach type, query and attach flags, where the IDs go, how many fit
        _, answer = bpf(PROG_QUERY, struct.pack("IIIIQI", socket.if_nametoindex(device), attach_type, 0, 0,
                                                ctypes.addressof(numbers), len(numbers)))
    except OSError as error:
        if error.errno == errno.EINVAL:
            sys.exit(3)
        raise
    for number in numbers[:struct.unpack_from("I", answer, 24)[0]]:
        print(number, name(number))


{"hold": hold, "list": list_programs}[sys.argv[1]](*sys.argv[2:])
