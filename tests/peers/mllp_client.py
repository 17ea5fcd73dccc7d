"""Sends HL7 v2 messages over MLLP and TLS, with Python's own ssl and the hl7 package.

usage: mllp_client.py HOST PORT VERSION ROOTS CHAIN KEY FILE...

Prints the negotiated version, then one JSON object for each acknowledgement.
"""

import json
import socket
import ssl
import sys

import hl7
from hl7.client import CR, EB, SB, MLLPClient


class SecureClient(MLLPClient):
    """The package's client on a TLS connection; reads whole frames, however they come."""

    def __init__(self, host, port, context):
        # The package's own constructor opens a plain connection.
        self.encoding = "utf-8"
        self.socket = context.wrap_socket(socket.create_connection((host, port), 20), server_hostname=host)
        self.unread = b""

    def send(self, data):
        self.socket.sendall(data)
        while EB + CR not in self.unread:
            more = self.socket.recv(4096)
            if not more:
                raise ConnectionError("closed before an acknowledgement came")
            self.unread += more
        frame, self.unread = self.unread.split(EB + CR, 1)
        if frame[:1] != SB:
            raise ValueError("an acknowledgement without its start block")
        return frame[1:]


def main():
    host, port, version, roots, chain, key, *files = sys.argv[1:]
    context = ssl.create_default_context(cafile=roots)
    context.minimum_version = context.maximum_version = {
        "1.2": ssl.TLSVersion.TLSv1_2,
        "1.3": ssl.TLSVersion.TLSv1_3,
    }[version]
    context.load_cert_chain(chain, key)
    with SecureClient(host, int(port), context) as client:
        print(json.dumps({"version": client.socket.version()}))
        for name in files:
            with open(name, "rb") as file:
                answer = hl7.parse(client.send_message(file.read()).decode("utf-8"))
            acknowledgement = answer.segment("MSA")
            print(
                json.dumps(
                    {
                        "type": str(answer.segment("MSH")[9]),
                        "code": str(acknowledgement[1]),
                        "control-id": str(acknowledgement[2]),
                    }
                )
            )
        # close_notify, as a correct device sends it.
        client.socket.unwrap().close()


main()
