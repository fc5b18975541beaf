#!/usr/bin/python3
"""httppeer.py VERB ADDRESS PORT ...: clients of a web server who mean no good, or not to wait.

  garbage          requests that are none, one connection each; the server has to end each of them
  hold N SECONDS   N connections at once, half of which send nothing, half a request that goes on and on, a byte now
                   and then; prints "ready" when they are begun
"""
import socket
import sys
import time

GARBAGE = [
    b'\r\n' * 2000,
    b'\0' * 4096,
    b'GET /metrics\r\n\r\n',
    b'GET /metrics HTTP/9.9\r\n\r\n',
    b'GET /' + b'a' * 100000 + b' HTTP/1.1\r\nHost: x\r\n\r\n',
    b'GET /metrics HTTP/1.1\r\n' + b'X: ' + b'y' * 100000 + b'\r\n\r\n',
    b'GET /metrics HTTP/1.1\r\n' + b''.join(b'X%d: y\r\n' % i for i in range(5000)) + b'\r\n',
    b'POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n' + b'z' * 100000,
    b'POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n',
    b'GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n',
    b'GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n',
    b'GET /%00%ff%2e HTTP/1.1\r\nHost: x\r\n\r\n',
    b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03' + b'\x5a' * 500,
    b'GET http://127.0.0.1:9453/metrics HTTP/1.1\r\nHost: x\r\n\r\n' * 50,
]


def connect(where):
    s = socket.socket(socket.AF_INET6 if ':' in where[0] else socket.AF_INET)
    s.settimeout(60)
    s.connect(where)
    return s


def garbage(where):
    for text in GARBAGE:
        s = connect(where)
        try:
            s.sendall(text)
            while s.recv(65536):
                pass
        except (ConnectionError, BrokenPipeError):
            pass
        except socket.timeout:
            print('not ended after a minute:', text[:40])
            return 1
        s.close()
    return 0


def is_ended(s):
    try:
        return not s.recv(4096, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True


def hold(where, n, seconds):
    peers = []
    for i in range(n):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(where)
        peers.append(s)
    ended = set()
    end = time.monotonic() + seconds
    print('ready', flush=True)
    request = b'GET /metrics HTTP/1.1\r\nX: ' + b'y' * 10000
    at = 0
    while time.monotonic() < end:
        for i, s in enumerate(peers):
            if i in ended:
                continue
            try:
                if i % 2:
                    s.send(request[at:at + 1])
            except BlockingIOError:
                pass
            except OSError:
                ended.add(i)
                continue
            if is_ended(s):
                ended.add(i)
        at += 1
        time.sleep(0.2)
    return 0


verb, address, port, *rest = sys.argv[1:]
if verb == 'garbage':
    sys.exit(garbage((address, int(port))))
sys.exit(hold((address, int(port)), int(rest[0]), float(rest[1])))
