"""A receiver of webhooks that is not ours: Python's http.server, with TLS if it gets a certificate.

Usage: receiver.py FILE ADDRESS [CERTIFICATE KEY]

Prints its port. Appends each request to FILE as one line of JSON: headers and body. How it answers says the path:
/ok, /fail (500), /redirect, /drip (a header byte by byte), /endless (a body without end), /headers (too many).
"""
import http.server
import json
import ssl
import sys
import time


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open(sys.argv[1], "a", encoding="utf-8") as file:
            line = {"path": self.path, "headers": dict(self.headers.items()), "body": body}
            file.write(json.dumps(line) + "\n")
        kind = self.path.split("?")[0]
        if kind == "/fail":
            self.send_error(500)
        elif kind == "/redirect":
            self.send_response(307)
            self.send_header("Location", "/ok?redirected")
            self.end_headers()
        elif kind == "/drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(600):
                self.wfile.write(b"X")
                time.sleep(0.1)
        elif kind == "/endless":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                self.wfile.write(b"x" * 65536)
        elif kind == "/headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for number in range(2000):
                self.wfile.write(b"X-Header-%d: %s\r\n" % (number, b"x" * 32))
            self.wfile.write(b"\r\n")
        else:
            self.send_response(204)
            self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """The platform closes connections that it has no use for."""


server = Server((sys.argv[2], 0), Receiver)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[3], sys.argv[4])
    server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
server.serve_forever()
