#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-only
"""warm.py FIFO: a Python that has started already, for tests that ask it a thousand small things (lab.sh, python).

A line in FIFO names a file with strings that each end in NUL: the process that asks, its file descriptors for the answer
and for the output, the network namespace ("" for ours), and the arguments as python3 takes them: -c CODE, -, -m MODULE or
FILE, and more. A child of ours then has the input, output, errors and working directory of that process, and does it. The
answer is a line: the exit status. The environment is ours.
"""
import ctypes
import os
import runpy
import signal
import sys
import traceback

# What the tools of the tests import is there when a child begins.
import argparse, collections, errno, hashlib, json, random, re, select, socket, struct, time  # noqa: E401,F401

SYS_PIDFD_GETFD = 438
CLONE_NEWNET = 0x40000000
CHILD_SECONDS = 120

libc = ctypes.CDLL(None, use_errno=True)
compiled = {}   # by what it was compiled of
answers = {}    # by child: where its status goes, which it writes itself unless it is killed


def check(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def code_of(kind, text):
    """Compiled here, and not by each child: it is asked again."""
    key = kind, text
    if kind == "file":
        key += (os.stat(text).st_mtime_ns,)
    if key not in compiled:
        if kind == "file":
            with open(text) as file:
                compiled[key] = compile(file.read(), text, "exec")
        else:
            compiled[key] = compile(text, "<string>", "exec")
    return compiled[key]


def parse(arguments):
    """A function for the child to call. Its sys.argv is set."""
    first, rest = arguments[0], arguments[1:]
    space = {"__name__": "__main__", "__builtins__": __builtins__}
    if first == "-c":
        sys.argv = ["-c", *rest[1:]]
        code = code_of("text", rest[0])
        return lambda: exec(code, space)
    sys.argv = arguments
    if first == "-":
        return lambda: exec(compile(sys.stdin.read(), "<stdin>", "exec"), space)
    if first == "-m":
        sys.argv = rest
        return lambda: runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    code = code_of("file", first)
    sys.path[0] = os.path.dirname(os.path.abspath(first))
    space["__file__"] = first
    return lambda: exec(code, space)


def status_of(work):
    try:
        work()
        status = 0
    except SystemExit as end:
        status = end.code
        if status is not None and not isinstance(status, int):
            print(status, file=sys.stderr)
            status = 1
    except BaseException:
        traceback.print_exc()
        status = 1
    try:
        sys.stdout.flush()
    except OSError:
        status = 120    # as python3 has it
    return (status or 0) & 0xff


def be_child(answer, fds, pid, netns, work):
    for wanted in signal.SIGTERM, signal.SIGCHLD:
        signal.signal(wanted, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    signal.alarm(CHILD_SECONDS)
    for to, fd in enumerate(fds):
        os.dup2(fd, to)
    os.chdir(f"/proc/{pid}/cwd")
    if netns:
        check(libc.setns(os.open(netns, os.O_RDONLY | os.O_CLOEXEC), CLONE_NEWNET))
    os.write(answer, b"%d\n" % status_of(work))
    os._exit(0)


def begin(request):
    with open(request) as file:
        pid, answer, output, netns, *arguments = file.read().split("\0")[:-1]
    os.unlink(request)
    pidfd = os.pidfd_open(int(pid))
    fds = [check(libc.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0)) for fd in (int(answer), 0, int(output), 2)]
    os.close(pidfd)
    try:
        work = parse(arguments)
    except Exception:   # no such file, or no Python
        os.write(fds[3], traceback.format_exc().encode())
        os.write(fds[0], b"1\n")
        for fd in fds:
            os.close(fd)
        return
    child = os.fork()
    if not child:
        be_child(fds[0], fds[1:], pid, netns, work)
    for fd in fds[1:]:
        os.close(fd)
    answers[child] = fds[0]


def reap(*_):
    while answers:
        child, status = os.waitpid(-1, os.WNOHANG)
        if not child:
            return
        if status:      # it could not say
            os.write(answers[child], b"%d\n" % (128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else 1))
        os.close(answers.pop(child))


def end(*_):
    for child in answers:
        os.kill(child, signal.SIGTERM)
    os._exit(0)


signal.signal(signal.SIGINT, signal.SIG_IGN)    # of a terminal: the lab ends us
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGCHLD, reap)
with open(os.open(sys.argv[1], os.O_RDWR), "r") as requests:
    for line in requests:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
        try:
            begin(line.rstrip("\n"))
        except Exception:   # who asked hears nothing, and fails
            traceback.print_exc()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])
