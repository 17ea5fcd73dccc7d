"""A device that sends messages over mutual TLS, from outside of the project: Python's ssl, which is OpenSSL.

    device.py FOLDER HOST[:PORT][,HOST[:PORT]] COUNT [RATE [FIRST]]

FOLDER has chain.pem, key.pem, and roots.pem. It sends COUNT messages, numbered from FIRST (1), at most 32 of them unanswered,
at most RATE a second (0: as fast as they are answered). When the connection ends it connects again, to the next host, and sends
again what has not been acknowledged, as devices do behind a balancer. A message that is answered by an error (AE or CE) 207, because the
platform cannot store it now, it keeps, and sends again after RETRY_SECONDS; any other negative answer ends it.
FOLDER/acknowledged gets a further line with the control id of each message that was acknowledged positively. The last line of its output
has the numbers of connections and of answers with 207.
"""
import collections
import itertools
import os
import select
import socket
import ssl
import sys
import time

NAME = "00A037EB2175780F"
WINDOW = 32
LIMIT_SECONDS = 900
RETRY_SECONDS = 0.5
NOT_STORED = "207"


def message(number):
    at = time.strftime("%Y%m%d%H%M%S+0000", time.gmtime())
    segments = [
        f"MSH|^~\\&|PUMP^{NAME}^EUI-64|WARD|PCD-PLATFORM||{at}||ORU^R01^ORU_R01|U{number}|P|2.6|||AL|NE||UNICODE UTF-8|||"
        "IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO",
        "PID|||9471^^^HOSP^MR||Test^Upgrade^^^^^L",
        f"OBR|1|{number}^PUMP^{NAME}^EUI-64|{number}^PUMP^{NAME}^EUI-64|69837^MDC_DEV_METER_PHYSIO_MULTI_PARAM_MDS^MDC|||{at}",
        f"OBX|1|NM|150456^MDC_PULS_OXIM_SAT_O2^MDC|1.1.1.150456|97|262688^MDC_DIM_PERCENT^MDC|||||R|||{at}||||"
        f"{NAME}^^{NAME}^EUI-64",
    ]
    return b"\x0b" + "\r".join(segments).encode() + b"\r\x1c\r"


def connect(folder, host):
    context = ssl.create_default_context(cafile=os.path.join(folder, "roots.pem"))
    context.load_cert_chain(os.path.join(folder, "chain.pem"), os.path.join(folder, "key.pem"))
    name, _, port = host.partition(":")
    plain = socket.create_connection((name, int(port or 2575)), timeout=10)
    return context.wrap_socket(plain, server_hostname=name)


def answers(buffer):
    """Complete acknowledgements as (code, control id, error code), and the rest of the buffer."""
    found = []
    while b"\x1c\r" in buffer:
        frame, buffer = buffer.split(b"\x1c\r", 1)
        segments = [segment.decode().split("|") for segment in frame.lstrip(b"\x0b").split(b"\r")]
        error = next((fields[3].split("^")[0] for fields in segments if fields[0] == "ERR" and len(fields) > 3), "")
        found.extend((fields[1], fields[2], error) for fields in segments if fields[0] == "MSA")
    return found, buffer


def session(folder, host, waiting, record, rate, counts):
    """Sends until nothing waits, or the connection ends."""
    stream = connect(folder, host)
    unanswered, buffer, began, sent, resume = set(), b"", time.monotonic(), 0, 0
    queue = list(waiting)
    while waiting:
        now = time.monotonic()
        due = now >= resume and (sent / rate <= now - began if rate else True)
        while queue and len(unanswered) < WINDOW and due:
            number = queue.pop(0)
            stream.sendall(message(number))
            unanswered.add(number)
            sent += 1
            due = not rate
        if not stream.pending():
            select.select([stream], [], [], 0.05 if rate or resume else 10)
        stream.settimeout(0.05 if rate or resume else 30)
        try:
            more = stream.recv(65536)
        except (socket.timeout, ssl.SSLWantReadError):
            continue
        if not more:
            return
        found, buffer = answers(buffer + more)
        for code, control_id, error in found:
            number = int(control_id[1:])
            unanswered.discard(number)
            if code in ("AA", "CA"):
                waiting.pop(number, None)
                print(control_id, file=record)
            elif code in ("AE", "CE") and error == NOT_STORED:
                counts["deferred"] += 1
                queue.append(number)
                resume = time.monotonic() + RETRY_SECONDS
            else:
                sys.exit(f"answer {code} {error} to {control_id}")


def main():
    folder, hosts, count = sys.argv[1], itertools.cycle(sys.argv[2].split(",")), int(sys.argv[3])
    rate = float(sys.argv[4]) if len(sys.argv) > 4 else 0
    first = int(sys.argv[5]) if len(sys.argv) > 5 else 1
    waiting = dict.fromkeys(range(first, first + count))
    counts, end = collections.Counter(), time.monotonic() + LIMIT_SECONDS
    with open(os.path.join(folder, "acknowledged"), "a", encoding="ascii", buffering=1) as record:
        while waiting:
            if time.monotonic() > end:
                sys.exit(f"{len(waiting)} messages were not acknowledged")
            try:
                counts["connections"] += 1
                session(folder, next(hosts), waiting, record, rate, counts)
            except OSError as error:
                print(f"connection: {error}", file=sys.stderr)
            time.sleep(0.1)
    print(
        f"{count} messages acknowledged over {counts['connections']} connections, "
        f"{counts['deferred']} answers with {NOT_STORED}"
    )


main()
