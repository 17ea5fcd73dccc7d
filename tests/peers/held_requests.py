"""Requests whose bodies do not come, with Python's ssl: each on a connection of its own, until stdin ends.

held_requests.py HOST PORT CA "METHOD PATH" COUNT [CHAIN KEY]
"""

import socket
import ssl
import sys

host, port, ca, request, count = sys.argv[1:6]
context = ssl.create_default_context(cafile=ca)
if len(sys.argv) > 6:
    context.load_cert_chain(sys.argv[6], sys.argv[7])
held = []
for _ in range(int(count)):
    plain = socket.create_connection((host, int(port)), timeout=60)
    stream = context.wrap_socket(plain, server_hostname=host)
    head = f"{request} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    stream.sendall(f"{head}Content-Length: 19\r\n\r\n_id=x".encode())
    held.append(stream)
print("sent", flush=True)
sys.stdin.read()
