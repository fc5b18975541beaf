#!/usr/bin/python3
"""dump.py FILE: what `bpftool map dump` printed of the pinned map `clients`, summed over the CPUs.

One line a client: ADDRESS queries N replies N tcp_connections N. Reads what an operator reads: the
output of bpftool, whose layout comes from the map's BTF.
"""
import ipaddress
import json
import sys

with open(sys.argv[1], encoding="ascii") as dump:
    entries = json.load(dump)

for entry in entries:
    address = ipaddress.IPv6Address(bytes(entry["key"]["bytes"]))
    traffic = [cpu["value"]["traffic"] for cpu in entry["values"]]
    print(address.ipv4_mapped or address,
          *(f"{what} {sum(int(t[what]) for t in traffic)}"
            for what in ("queries", "replies", "tcp_connections")))
