"""Prints the observations that two readers of HL7 find in messages: Python's hl7 package and hl7apy.

usage: hl7_observations.py FILE

FILE has JSON lines: {"name": NAME, "bytes": HEX}. Each byte is one character (ISO 8859-1), so that texts can be
compared byte by byte. Prints for each line {"name": NAME, "hl7": MESSAGE, "hl7apy": MESSAGE}; null where a reader
refuses the message. A MESSAGE is a list of requests (OBR): {"filler", "service", "observations"}; observations
before the first OBR have a request of their own. An observation has the fields of OBX as they are written, the
components of the coded ones, and `container`: OBX-4 of the observation in which it lies.
"""

import json
import sys

import hl7
from hl7apy import consts
from hl7apy.parser import parse_message


def parts(text, separator):
    return [part for part in text.split(separator)] if text else []


def numbers(path):
    """The six numbers of OBX-4; None if it is no path."""
    found = path.strip().split(".")
    if not 1 <= len(found) <= 6 or not all(part.isascii() and part.isdigit() for part in found):
        return None
    found = [int(part) for part in found]
    if not any(found) or any(number > 0xFFFFFFFF for number in found):
        return None
    return tuple(found + [0] * (6 - len(found)))


def depth(path):
    return max(at for at in range(6) if path[at]) + 1


def container(path, others):
    """The nearest container: the path without its last numbers that some observation has."""
    for length in range(depth(path) - 1, 0, -1):
        above = path[:length] + (0,) * (6 - length)
        if above in others and above != path and any(above) and depth(above) < depth(path):
            return above
    return None


def observations(segments):
    """`segments`: functions from the number of a field to its text, of one request."""
    paths = {numbers(field(4)) for field in segments} - {None}
    for field in segments:
        path = numbers(field(4))
        above = container(path, paths) if path else None
        yield {
            "type": field(2),
            "term": parts(field(3), "^"),
            "path": list(path) if path else None,
            "container": list(above) if above else None,
            "value": field(5),
            "units": parts(field(6), "^"),
            "range": field(7),
            "flags": parts(field(8), "~"),
            "status": field(11),
            "time": field(14),
            "equipment": field(18),
        }


def requests(segments):
    """`segments`: pairs of a name and a function from the number of a field to its text."""
    found = []
    for name, field in segments:
        if name == "OBR" or (name == "OBX" and not found):
            obr = field if name == "OBR" else lambda number: ""
            found.append({"filler": obr(3), "service": parts(obr(4), "^"), "obx": []})
        if name == "OBX":
            found[-1]["obx"].append(field)
    for request in found:
        request["observations"] = list(observations(request.pop("obx")))
    return found


def by_hl7(text):
    def field_of(segment):
        return lambda number: str(segment[number]) if number < len(segment) else ""
    return requests((str(segment[0]), field_of(segment)) for segment in hl7.parse(text))


def by_hl7apy(text):
    # Without groups, and tolerant: other messages than those of the standard are read as well.
    message = parse_message(text, find_groups=False, validation_level=consts.VALIDATION_LEVEL.TOLERANT)

    def field_of(segment):
        def field(number):
            name = "%s_%d" % (segment.name.lower(), number)
            return "~".join(one.to_er7() for one in getattr(segment, name))
        return field
    return requests((segment.name, field_of(segment)) for segment in message.children)


for line in open(sys.argv[1]):
    case = json.loads(line)
    text = bytes.fromhex(case["bytes"]).decode("latin-1")
    if "\r" not in text.strip("\r\n"):
        text = text.replace("\n", "\r")
    answer = {"name": case["name"]}
    for name, read in [("hl7", by_hl7), ("hl7apy", by_hl7apy)]:
        try:
            answer[name] = read(text)
        except Exception:
            answer[name] = None
    print(json.dumps(answer))
