"""Writes a store as the version with schema 60 left it: messages, the audit trail with its hashes, a device.

    older_store.py FILE MIGRATIONS NODE DEVICE COUNT

FILE is the new SQLite file, MIGRATIONS the folder with the migrations, of which those up to 60 are applied and recorded as the
library of the platform does it. COUNT messages of DEVICE, `U1` and so on, were accepted one after the other until now; the
row of each is in the trail of NODE, as that version wrote it. No code of the platform is used.
"""
import glob
import hashlib
import json
import os
import sqlite3
import sys
import time
import uuid

LAST = 60
SESSION = "0198c6a1-7d2e-7c52-9b0e-3f6f2f0c1a55"


def migrate(store, folder):
    store.execute(
        "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, installed_on TIMESTAMP NOT NULL"
        " DEFAULT CURRENT_TIMESTAMP, success BOOLEAN NOT NULL, checksum BLOB NOT NULL, execution_time BIGINT NOT NULL)"
    )
    for path in sorted(glob.glob(os.path.join(folder, "*.sql"))):
        number, description = os.path.basename(path)[:-4].split("_", 1)
        if int(number) > LAST:
            break
        with open(path, "rb") as file:
            text = file.read()
        store.executescript(text.decode())
        store.execute(
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (?, ?, TRUE, ?, 0)",
            (int(number), description.replace("_", " "), hashlib.sha384(text).digest()),
        )


def identifier(milliseconds, number):
    """UUID version 7."""
    value = (milliseconds << 80) | (7 << 76) | (2 << 62) | (number & 0xFFFFFFFF)
    return uuid.UUID(int=value)


def message(device, number):
    return "\r".join(
        [
            f"MSH|^~\\&|PUMP^{device}^EUI-64|WARD|||20261129080000+0000||ORU^R01^ORU_R01|U{number}|P|2.6|||AL|NE||UNICODE UTF-8"
            "|||IHE_PCD_001^IHE PCD^1.3.6.1.4.1.19376.1.6.1.1.1^ISO",
            f"PID|||{number}^^^HOSP^MR||Test^Upgrade^^^^^L",
            f"OBR|1||{number}^PUMP^{device}^EUI-64|69837^MDC_DEV_METER_PHYSIO_MULTI_PARAM_MDS^MDC|||20261129080000+0000",
            "",
        ]
    ).encode()


class Trail:
    """The chain of one node: docs/explanation/audit.md."""

    def __init__(self, store, node):
        self.store, self.node, self.number, self.hash = store, node, 0, bytes(32)

    def append(self, at, event, details):
        self.number += 1
        text = json.dumps(details, separators=(",", ":"), sort_keys=True)
        digest = hashlib.sha256(b"pcd-platform audit row 1\0" + self.hash)
        digest.update(self.number.to_bytes(8, "big") + at.to_bytes(8, "big"))
        for part in (self.node, event, text):
            digest.update(len(part.encode()).to_bytes(8, "big") + part.encode())
        self.hash = digest.digest()
        self.store.execute(
            "INSERT INTO audit (node, number, at, event, details, hash) VALUES (?, ?, ?, ?, ?, ?)",
            (self.node, self.number, at, event, text, self.hash),
        )

    def end(self):
        self.store.execute("INSERT INTO audit_end (node, number, hash) VALUES (?, ?, ?)", (self.node, self.number, self.hash))


def main():
    file, folder, node, device, count = sys.argv[1:5] + [int(sys.argv[5])]
    store = sqlite3.connect(file, isolation_level=None)
    store.execute("PRAGMA journal_mode = WAL")
    store.execute("PRAGMA synchronous = OFF")
    migrate(store, folder)
    store.execute("BEGIN")
    began = int(time.time() * 1000) - count - 60_000
    trail = Trail(store, node)
    store.execute("INSERT INTO device (id, kind, status, speaks_for, note) VALUES (?, 'device', 'active', '[]', '')", (device,))
    trail.append(began * 1000, "device-added", {"actor": "root", "device": device})
    for number in range(1, count + 1):
        at, raw = began + number, message(device, number)
        own = identifier(at, number)
        answer = f"MSH|^~\\&|PCD-PLATFORM|||||ACK|{own}|P|2.6\rMSA|CA|U{number}\r".encode()
        store.execute(
            "INSERT INTO message (id, received_at, device, session, fingerprint, peer, pcd_transaction, message_type, control_id,"
            " sending_application, digest, warnings, identities, acknowledgement, raw)"
            " VALUES (?, ?, ?, ?, ?, '127.0.0.1:40000', 'PCD-01', 'ORU^R01^ORU_R01', ?, ?, ?, '[]', ?, ?, ?)",
            (own.bytes, at * 1000, device, SESSION, "0" * 64, f"U{number}", f"PUMP^{device}^EUI-64",
             hashlib.sha256(raw).digest(), json.dumps([device]), answer, raw),
        )
        trail.append(at * 1000, "message-accepted", {"device": device, "message": str(own), "session": SESSION})
    trail.end()
    store.execute("COMMIT")
    store.close()


main()
