"""Sends one HL7 v2 message over MLLP and TLS, and prints what each read returns.

A read of Python's ssl returns at most one TLS record, as in most clients.

usage: reads.py HOST PORT VERSION ROOTS CHAIN KEY FILE READS
"""

import json
import socket
import ssl
import sys


def main():
    host, port, version, roots, chain, key, name, reads = sys.argv[1:]
    context = ssl.create_default_context(cafile=roots)
    context.minimum_version = context.maximum_version = {
        "1.2": ssl.TLSVersion.TLSv1_2,
        "1.3": ssl.TLSVersion.TLSv1_3,
    }[version]
    context.load_cert_chain(chain, key)
    with socket.create_connection((host, int(port)), 20) as plain:
        client = context.wrap_socket(plain, server_hostname=host)
        with open(name, "rb") as file:
            client.sendall(b"\x0b" + file.read() + b"\x1c\r")
        for _ in range(int(reads)):
            print(json.dumps(client.recv(65536).decode("utf-8")))
        client.unwrap()


main()
