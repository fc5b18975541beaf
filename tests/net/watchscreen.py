#!/usr/bin/python3
"""watchscreen.py [--keyboard] COMMAND...: runs it on a terminal of 20 lines and 100 columns.

Lines on stdin: `wait TEXT` until the screen has shown TEXT (or it fails after 30 s), `key KEYS`, `hold KEY TEXT` to hold
a key down until then, `end` when the command shall have ended by itself. With --keyboard what it reads is another
terminal, in no session, that `hangup` takes away. `tell FILE` makes a file. Exit 0 when all of it worked and the command's status was 0.
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

command = sys.argv[1:]
keyboard, keys_read = (-1, -1)
if command[0] == "--keyboard":
    command.pop(0)
    keyboard, keys_read = pty.openpty()
pid, terminal = pty.fork()
if pid == 0:
    os.environ["TERM"] = "xterm"
    if keyboard >= 0:
        os.dup2(keys_read, 0)
        os.close(keyboard)
    os.execvp(command[0], command)
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
    elif verb == "hold":
        key, _, text = rest.partition(" ")
        while text.encode() not in shown:
            os.write(terminal, key.encode())
            if select.select([terminal], [], [], 0.03)[0] and not read_more(deadline):
                sys.exit(f"it has ended; the screen had {shown!r}")
            if time.monotonic() > deadline:
                read_more(0)
        shown = shown.partition(text.encode())[2]
    elif verb == "hangup":
        os.close(keys_read)
        os.close(keyboard)
    elif verb == "tell":
        open(rest, "x", encoding="ascii").close()
    elif verb == "key":
        os.write(terminal, rest.encode())
    elif verb == "end":
        while read_more(deadline):
            pass
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
os.kill(pid, 9)
sys.exit("no `end`")
