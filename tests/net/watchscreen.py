#!/usr/bin/python3
"""watchscreen.py COMMAND...: runs it on a terminal of 20 lines and 100 columns.

Lines on stdin: `wait TEXT` until the screen has shown TEXT (or it fails after 30 s), `key KEYS`, `end` when the
command shall have ended by itself. Exit 0 when all of it worked and the command's status was 0.
"""
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time

PATIENCE = 30

pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 100, 0, 0))
shown = b""


def read_more(deadline):
    """False at the end of the command; too late is the end of the test."""
    global shown
    left = deadline - time.monotonic()
    if left <= 0 or not select.select([terminal], [], [], left)[0]:
        os.kill(pid, 9)
        sys.exit(f"too late; the screen had {shown!r}")
    try:
        more = os.read(terminal, 65536)
    except OSError:
        more = b""
    shown += more
    return bool(more)


for line in sys.stdin:
    verb, _, rest = line.rstrip("\n").partition(" ")
    deadline = time.monotonic() + PATIENCE
    if verb == "wait":
        while rest.encode() not in shown:
            if not read_more(deadline):
                sys.exit(f"it has ended; the screen had {shown!r}")
        shown = shown.partition(rest.encode())[2]
    elif verb == "key":
        os.write(terminal, rest.encode())
    elif verb == "end":
        while read_more(deadline):
            pass
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
os.kill(pid, 9)
sys.exit("no `end`")
