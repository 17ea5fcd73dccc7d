"""Computes the hash of every row of an audit trail by docs/explanation/audit.md ("What is guaranteed, and what is not").

usage: row_hashes.py FILE

FILE is the output of `audit export --format jsonl`. Prints the number of rows whose hash is the computed one, and
the number of all rows; ends with status 1 when they differ, naming the first such row on stderr.
"""

import hashlib
import json
import sys
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def microseconds(text):
    return (datetime.fromisoformat(text.replace("Z", "+00:00")) - EPOCH) // timedelta(microseconds=1)


def computed(previous, row):
    digest = hashlib.sha256(b"pcd-platform audit row 1\0")
    digest.update(previous)
    digest.update(row["number"].to_bytes(8, "big"))
    digest.update(microseconds(row["at"]).to_bytes(8, "big"))
    details = json.dumps(row["details"], separators=(",", ":"), ensure_ascii=False)
    for text in (row["node"], row["event"], details):
        encoded = text.encode("utf-8")
        digest.update(len(encoded).to_bytes(8, "big"))
        digest.update(encoded)
    return digest.digest()


ends, agreed, rows = {}, 0, 0
with open(sys.argv[1], encoding="utf-8", newline="\n") as trail:
    for line in trail:
        row = json.loads(line)
        rows += 1
        expected = computed(ends.get(row["node"], bytes(32)), row)
        if expected.hex() == row["hash"]:
            agreed += 1
        else:
            print(f"row {row['number']} of {row['node']}: {row['event']}", file=sys.stderr)
        ends[row["node"]] = bytes.fromhex(row["hash"])
print(json.dumps({"agreed": agreed, "rows": rows}))
sys.exit(agreed != rows)
