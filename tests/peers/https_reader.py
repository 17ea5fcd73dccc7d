"""Reads over one TLS connection with Python's ssl and http.client: a path from each line of stdin, the status
and the body as JSON to stdout.

https_reader.py HOST PORT CA CHAIN KEY [ADDRESS]: with ADDRESS, it begins as a load balancer that relays a
connection of that address (PROXY protocol, version 1)
"""

import http.client
import json
import socket
import ssl
import sys

host, port, ca, chain, key = sys.argv[1:6]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(chain, key)
connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=60)
if len(sys.argv) > 6:
    plain = socket.create_connection((host, int(port)), timeout=60)
    plain.sendall(f"PROXY TCP4 {sys.argv[6]} 127.0.0.1 40000 {port}\r\n".encode())
    connection.sock = context.wrap_socket(plain, server_hostname=host)
else:
    connection.connect()
opened = connection.sock
for line in sys.stdin:
    # A connection that the server has closed is not opened again.
    if connection.sock is not opened:
        print(json.dumps({"status": 0, "body": ""}), flush=True)
        continue
    connection.request("GET", line.strip())
    answer = connection.getresponse()
    print(json.dumps({"status": answer.status, "body": answer.read().decode()}), flush=True)
