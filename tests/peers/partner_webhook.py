"""A partner's receiver of notifications: an https server with Basic authentication, in Python's http.server.

partner_webhook.py CHAIN KEY USER PASSWORD [PORT]: prints its port, then a line of JSON for each request. A line
of stdin sets what it responds with from then on: a status, `redirect`, `close`, or `refuse`: 422, and again for
each of these notifications whatever it responds with later.
"""

import base64
import http.server
import json
import ssl
import sys
import threading

chain, key, user, password = sys.argv[1:5]
port = int(sys.argv[5]) if len(sys.argv) > 5 else 0
expected = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
answer = "200"
refused = set()


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        is_authentic = self.headers["Authorization"] == expected
        line = {
            "path": self.path,
            "authentic": is_authentic,
            "operation": self.headers["x-operation-id"],
            "body": json.loads(body),
            "answer": answer,
        }
        if answer == "refuse":
            refused.add(line["operation"])
        if line["operation"] in refused:
            line["answer"] = "422"
        print(json.dumps(line), flush=True)
        if line["answer"] == "close":
            self.close_connection = True
            return
        self.send_response(302 if line["answer"] == "redirect" else int(line["answer"]) if is_authentic else 401)
        if line["answer"] == "redirect":
            self.send_header("Location", "/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(chain, key)
server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Receiver)
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_address[1], flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
for line in sys.stdin:
    answer = line.strip()
