"""Prints the observations that two readers of HL7 find in messages: Python's hl7 package and hl7apy.

usage: hl7_observations.py FILE

FILE has JSON lines: {"name": NAME, "bytes": HEX}. Each byte is one character (ISO 8859-1), so that texts can be
compared byte by byte. Prints for each line {"name": NAME, "hl7": MESSAGE, "hl7apy": MESSAGE}; null where a reader
refuses the message. A MESSAGE is a list of requests (OBR, and RXG without a number): {"filler", "service",
"observations"}; observations before the first one have a request of their own. An observation has the fields of OBX as they are written, the
components of the coded ones, and `container`: OBX-4 of the observation in which it lies.

With it come, of the package hl7 alone, `segments`: each segment as the list of its fields, and `alerts`: the alerts of
a PCD-04 as IHE PCD TF vol. 2, B.8.5 describes them, or null when the message is none.
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
        # A step of an order has the observations behind its RXG (table 3.3.4.2-1).
        if name in ("OBR", "RXG") or (name == "OBX" and not found):
            obr = field if name == "OBR" else lambda number: ""
            found.append({"filler": obr(3), "service": parts(obr(4), "^"), "obx": []})
        if name == "OBX":
            found[-1]["obx"].append(field)
    for request in found:
        request["observations"] = list(observations(request.pop("obx")))
    return found


def field_of_hl7(segment):
    return lambda number: str(segment[number]) if number < len(segment) else ""


def by_hl7(text):
    return requests((str(segment[0]), field_of_hl7(segment)) for segment in hl7.parse(text))


def segments(text):
    return [[str(field) for field in segment] for segment in hl7.parse(text)]


# Table B.8.5-2: the facets that have a term of their own.
FACETS = {
    "source": ("68480", "MDC_ATTR_ALERT_SOURCE", "MDC_ATTR_ALARM_SOURCE"),
    "phase": ("68481", "MDC_ATTR_EVENT_PHASE", "MDC_ATTR_EVT_PHASE"),
    "state": ("68482", "MDC_ATTR_ALARM_STATE", "MDC_ATTR_ALERT_STATE"),
    "inactivation": ("68483", "MDC_ATTR_ALARM_INACTIVATION_STATE", "MDC_ATTR_ALERT_INACTIVATION_STATE"),
    "priority": ("68484", "MDC_ATTR_ALARM_PRIORITY", "MDC_ATTR_ALERT_PRIORITY"),
    "type": ("68485", "MDC_ATTR_ALERT_TYPE", "MDC_ATTR_ALARM_TYPE"),
    "text": ("68546", "MDC_ATTR_ALERT_TEXT", "MDC_ATTR_ALARM_TEXT"),
}
# Devices from before the nomenclature had these numbers.
FORMER = {"68164": "source", "68165": "phase", "68166": "state", "68167": "inactivation", "68168": "priority"}
HEARTBEATS = {"198200", "198201", "MDC_EVT_WATCHDOG", "67860", "MDC_ATTR_CONFIRM_TIMEOUT"}
ALARMS = {"196616", "MDC_EVT_ALARM", "ALARM"}


def component(text, number):
    found = text.split("~")[0].split("^")
    return found[number - 1].strip() if len(found) >= number else ""


def facet_of(term):
    places = (component(term, 1), component(term, 2))
    for name, known in FACETS.items():
        if set(places) & set(known[1:]):
            return name
    for name, known in FACETS.items():
        if known[0] in places:
            return name
    return FORMER.get(places[0]) if not places[1] else None


def is_event(term):
    """A term of the partition of events, or with a name of one."""
    for place in (component(term, 1), component(term, 2)):
        if place.startswith(("MDC_EVT_", "MDCX_EVT_")) or place in ALARMS:
            return True
        if place.isascii() and place.isdigit() and 3 << 16 <= int(place) < 4 << 16:
            if component(term, 3).upper() in ("", "MDC"):
                return True
    return False


def alert(obr, obx):
    """One OBR: facet 1 is the event, facet 2 the measured value; None without any facet."""
    facets, events, measured = {}, [], None
    for field in obx:
        term, path = field(3), numbers(field(4))
        if {component(term, 1), component(term, 2)} & HEARTBEATS:
            continue
        name = facet_of(term)
        if name:
            facets.setdefault(name, field)
            continue
        number = path[4] if path else 0
        is_part = component(term, 2).endswith(("_MDS", "_VMD", "_CHAN"))
        is_absent = field(11).strip().upper() == "X"
        is_level = path is not None and depth(path) < 4
        if is_event(term):
            # A marked absence is the least of events, facet 1 the best.
            events.append((0 if is_absent else 3 if number == 1 else 2, field))
        elif number == 1 and not (is_part or is_absent or is_level) and field(2) not in ("NM", "NA", "SN"):
            events.append((1, field))
        elif number == 2 and not is_part and measured is None:
            measured = field
    event = max(events, key=lambda one: one[0])[1] if events else None
    if event is None and not set(facets) & {"phase", "state", "inactivation"}:
        return None
    of = lambda field, number: field(number).strip() if field else ""
    name = of(event, 3)
    # OBX-5 names the event where OBX-3 says only that it is an alarm.
    says_alarm = {component(name, 1), component(name, 2)} & ALARMS
    if of(event, 5) and (says_alarm or (not is_event(name) and is_event(of(event, 5)))):
        name = of(event, 5)
    return {
        "event": [component(name, 1), component(name, 2)],
        "flags": of(event, 8),
        "time": of(event, 14) or obr(7).strip(),
        "measured": [component(of(measured, 3), 1), component(of(measured, 3), 2)],
        "value": of(measured, 5),
        "limits": of(measured, 7),
        **{name: of(facets.get(name), 5) for name in FACETS},
    }


def alerts(text):
    found = [(str(segment[0]), field_of_hl7(segment)) for segment in hl7.parse(text)]
    kind = found[0][1](9).split("^")
    if kind[0] != "ORU" or kind[1:2] != ["R40"]:
        return None
    groups = []
    for name, field in found:
        if name == "OBR":
            groups.append((field, []))
        elif name == "OBX" and groups:
            groups[-1][1].append(field)
    read = [(obr(3), alert(obr, obx)) for obr, obx in groups]
    # A further OBR with the same number and without an event is evidence.
    complete = {filler for filler, one in read if one and one["event"] != ["", ""]}
    found, known = [], set()
    for filler, one in read:
        if one and (one["event"] != ["", ""] or filler not in complete):
            # With the number, event, phase and time of an earlier one it is the same report.
            key = (filler, *one["event"], one["phase"], one["time"])
            if key not in known:
                known.add(key)
                found.append(one)
    return found


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
    for name, read in [("segments", segments), ("alerts", alerts)]:
        answer[name] = read(text) if answer["hl7"] is not None else None
    print(json.dumps(answer))
