#!/usr/bin/python3
"""dump.py FILE: what `bpftool map dump` printed of the pinned map `clients`, summed over the CPUs.

One line a client: ADDRESS queries N replies N tcp_connections N. Reads what an operator reads: the
output of bpftool, whose layout comes from the map's BTF. Entries that are not used have sequence 0.
"""
import ipaddress
import json
import sys

COUNTS = ("queries", "replies", "tcp_connections")

with open(sys.argv[1], encoding="ascii") as dump:
    entries = [entry["value"] for entry in json.load(dump)]

clients = {}
for entry in entries:
    if not int(entry["sequence"]):
        continue
    counts = clients.setdefault(bytes(entry["address"]["bytes"]), dict.fromkeys(COUNTS, 0))
    for what in COUNTS:
        counts[what] += int(entry["traffic"][what])

for address, counts in clients.items():
    address = ipaddress.IPv6Address(address)
    print(address.ipv4_mapped or address, *(f"{what} {counts[what]}" for what in COUNTS))
