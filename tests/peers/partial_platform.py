"""A platform that acknowledges only a part of what it gets, with Python's own ssl.

usage: partial_platform.py CHAIN KEY RECEIVED

Prints the address at which it listens. Each message is a line of the file RECEIVED: its MSH-10, and `stored` or `left`.
A message whose MSH-10 begins with DEAF is never acknowledged; one that begins with LATER is refused once, as by a
platform whose store is away. Others are acknowledged as MSH-15 asks.
"""

import socket
import ssl
import sys
import threading

START, END = b"\x0b", b"\x1c\r"


def acknowledgement(code, control_id, reason):
    error = f"ERR||||E|{reason}\r" if reason else ""
    text = f"MSH|^~\\&|PARTIAL||||20260101120000+0000||ACK|A-{control_id}|P|2.6\rMSA|{code}|{control_id}\r{error}"
    return START + text.encode() + END


class Platform:
    def __init__(self, received):
        self.received = received
        self.refused = set()
        self.lock = threading.Lock()

    def answer(self, frame):
        """What is sent back for a message, if anything."""
        header = frame.decode("utf-8").split("\r", 1)[0].split("|")
        control_id, accept = header[9], header[14]
        with self.lock:
            is_refused = control_id.startswith("LATER") and control_id not in self.refused
            self.refused |= {control_id}
            is_left = is_refused or control_id.startswith("DEAF")
            with open(self.received, "a") as file:
                file.write(f"{control_id} {'left' if is_left else 'stored'}\n")
        if control_id.startswith("DEAF"):
            return None
        if is_refused:
            return acknowledgement("CE", control_id, "store-unavailable") if accept in ("AL", "ER") else None
        return acknowledgement("CA", control_id, "") if accept in ("AL", "SU") else None

    def serve(self, connection):
        unread = b""
        try:
            while more := connection.recv(65536):
                unread += more
                while END in unread:
                    frame, unread = unread.split(END, 1)
                    answer = self.answer(frame.lstrip(START))
                    if answer:
                        connection.sendall(answer)
            connection.unwrap()
        except OSError:
            pass
        finally:
            connection.close()


def main():
    chain, key, received = sys.argv[1:]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)
    platform = Platform(received)
    listener = socket.create_server(("127.0.0.1", 0))
    print("listening 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    while True:
        plain, _ = listener.accept()
        try:
            connection = context.wrap_socket(plain, server_side=True)
        except OSError:
            continue
        threading.Thread(target=platform.serve, args=(connection,), daemon=True).start()


main()
