"""Prints which device identifiers Python's hl7 package finds in messages.

usage: hl7_claims.py FILE

FILE has JSON lines: {"bytes": HEX, "encodings": [[NAME, MSH-18], ...]}. Prints for each line a JSON list of
the texts that stand where a device is named: MSH-3, OBR-3.3, OBX-18.1, OBX-18.3, OBX-5 of MDC_ATTR_SYS_ID.
"""

import json
import sys

import hl7


def repetitions(segment, number):
    if number >= len(segment):
        return []
    return [[str(part) for part in repetition] if isinstance(repetition, list) else [str(repetition)]
            for repetition in segment[number]]


def component(parts, number):
    return parts[number - 1:number]


def texts(message):
    for segment in message:
        name = str(segment[0])
        if name == "MSH":
            for parts in repetitions(segment, 3):
                yield from parts
        elif name == "OBR":
            for parts in repetitions(segment, 3):
                yield from component(parts, 3)
        elif name == "OBX":
            for parts in repetitions(segment, 18):
                yield from component(parts, 1) + component(parts, 3)
            terms = [text for parts in repetitions(segment, 3) for text in parts]
            if any(term.strip() in ("67972", "MDC_ATTR_SYS_ID") for term in terms):
                for parts in repetitions(segment, 5):
                    yield from component(parts, 1) + component(parts, 3)


def messages(text):
    for read in (hl7.parse, hl7.parse_batch):
        try:
            found = read(text)
        except Exception:
            continue
        if read is hl7.parse:
            yield found
        else:
            yield from found


for line in open(sys.argv[1]):
    case = json.loads(line)
    found = set()
    for encoding, named in case["encodings"]:
        text = bytes.fromhex(case["bytes"]).decode(encoding, "replace")
        for message in messages(text):
            # Another set than that of MSH-18 is a reader's mistake.
            if named is not None and (len(message[0]) < 19 or str(message[0][18]) != named):
                continue
            for value in texts(message):
                found.add(value)
                found.update(value.split("&"))
                try:
                    found.add(message.unescape(value))
                except Exception:
                    pass
    print(json.dumps(sorted(found)))
