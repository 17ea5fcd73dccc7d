"""Compares what `message show --tree` says of messages with the messages, as Python's hl7 package reads them.

usage: hl7_shown.py FILE

FILE has JSON lines: {"name", "bytes": HEX, "json", "all", "plain"}: the tree with `--phi --full` as JSON and as
text, and as text without options. Each value of each field has to be in the part of the tree that shows its
segment, or the tree has to name what it leaves out. Prints for each line {"name", "values", "missing": [TEXT]},
with the number of values that were looked for.
"""

import json
import re
import sys

import hl7

LISTED = "MSA ERR ORC RXO RXE RXG RXR RXC RXD RXA TQ1 TQ2 PRT SPM SAC".split()
PATIENT = "PID PD1 PD2 PDA NK1 PV1 PV2 MRG GT1 IN1 IN2 IN3 ACC UB1 UB2 AL1 DG1 DRG PR1 FAM ARV OH1 ROL CTD".split()
# What the reference says is left out: MSH but for five fields, what only numbers segments, the versions of
# coding systems, and the usual coding systems.
HEADER = {3, 7, 9, 10, 11}
NUMBERS = {("OBR", 1), ("OBX", 1), ("NTE", 1), ("PID", 1), ("PV1", 1)}
CODED = {("OBR", 4), ("OBX", 3), ("OBX", 6), ("OBX", 17), ("OBX", 20)}
WORDED = {("MSH", 11), ("OBX", 2), ("OBX", 6), ("OBX", 11)}
CODED_TYPES = {"CE", "CF", "CNE", "CWE"}
VERSIONS = {7, 8, 14}
USUAL = {"MDC", "UCUM"}
# The terms about the patient (MDC_ATTR_PT_*).
PATIENT_TERM = re.compile(r"ATTR_PT_|\b(6792[6-9]|6793[0-8]|6805[6-9]|6806[0-3]|6812[3-6]|68135|68137)\b")
TIME = re.compile(r"^\d{4,14}(\.?\d{1,9})?([+-]\d{4})?$")


def words(text):
    """The words of a text without its escape sequences and without other letters than those of ASCII."""
    text = re.sub(r"\\(?:[HNFSRTE]|\.[^\\]*|Z[^\\]*)\\", " ", text)
    text = re.sub(r"\\X([0-9A-Fa-f]+)\\", lambda found: bytes.fromhex(found[1]).decode("latin-1"), text)
    return re.findall(r"[A-Za-z0-9]+", text)


def leaves(field):
    """(component, text) of the smallest parts of a field."""
    for repetition in str(field).split("~"):
        for number, component in enumerate(repetition.split("^"), 1):
            for part in component.split("&"):
                if words(part):
                    yield number, part.strip()


def strings(shown):
    """All texts of a part of the tree."""
    if isinstance(shown, str):
        yield shown
    elif isinstance(shown, list):
        for part in shown:
            yield from strings(part)
    elif isinstance(shown, dict):
        for part in shown.values():
            yield from strings(part)


def known(shown):
    return {word for text in strings(shown) for word in words(text)}


def without(shown, *keys):
    return {key: value for key, value in shown.items() if key not in keys}


def row(text, name):
    found = [line[10:] for line in text.split("\n") if line.startswith(f"{name:<10}")]
    return " ".join(found)


class Tree:
    """The parts of a tree, taken in the order of the segments that they show."""

    def __init__(self, shown, segments):
        self.shown = shown
        names = [name for name, _ in segments]
        begins = [at for at, name in enumerate(names) if name in ("OBR", "RXG")]
        first = names.index("OBX") if "OBX" in names else None
        stray = first is not None and (not begins or first < begins[0])
        is_about = stray and begins and any(name in PATIENT for name in names[:first])
        self.requests = list(shown["requests"])
        if is_about:
            patient = {"observations": shown["patient"].get("observations", []), "segments": []}
            self.requests.insert(0, patient)
        self.at = -1
        self.taken = set()
        self.last = {}
        self.owner = {}
        self.segments = [dict(one, used=False) for one in self.all_segments()]

    def all_segments(self):
        for place in [self.shown.get("other-segments", [])]:
            yield from place
        for request in self.requests:
            yield from request.get("segments", [])
            for node in request["observations"]:
                yield from node.get("participants", [])

    def request(self):
        return self.requests[self.at] if self.at < len(self.requests) else {"observations": []}

    def observation(self, values):
        """The first observation of the request that has all of the values."""
        for number, node in enumerate(self.request()["observations"]):
            if (self.at, number) not in self.taken and values <= known(node):
                self.taken.add((self.at, number))
                return node
        return None

    def listed(self, name, values):
        for segment in self.segments:
            if not segment["used"] and segment["segment"] == name and values <= known(segment["fields"]):
                segment["used"] = True
                return segment
        return None


def part_of(tree, name, values):
    """What the tree shows of a segment; None when it has no such part."""
    if name == "MSH":
        return [tree.shown[key] for key in ("from", "sent", "message-type", "control-id", "processing-id")]
    if name in PATIENT:
        all_patients = [tree.shown.get("patient", {})] + tree.shown.get("further-patients", [])
        tree.owner = next((one for one in all_patients if values <= known(one)), all_patients[0])
        return tree.owner
    if name == "OBR" or (name == "OBX" and tree.at < 0):
        tree.at += 1
    if name == "OBR":
        tree.owner = without(tree.request(), "observations", "segments", "alert")
        return tree.owner
    if name == "OBX":
        node = tree.observation(values)
        tree.owner = node or tree.owner
        return node
    if name == "NTE":
        return tree.owner
    if name == "RXG":
        tree.at += 1
    if name == "PRT" and tree.owner is tree.shown.get("patient"):
        return tree.owner
    found = tree.listed(name, values)
    # Notes behind PRT are those of the segment before it.
    if name != "PRT":
        tree.owner = found or {}
    return found


def is_left_out(name, number, component, text, kind):
    if name == "MSH" and number not in HEADER or (name, number) in NUMBERS:
        return True
    is_coded = (name, number) in CODED or (name, number) == ("OBX", 5) and kind in CODED_TYPES
    return text.upper() in USUAL or is_coded and component in VERSIONS


def compare(case):
    text = bytes.fromhex(case["bytes"]).decode("latin-1")
    if "\r" not in text.strip("\r\n"):
        text = text.replace("\n", "\r")
    segments = [(str(one[0]), one) for one in hl7.parse(text) if str(one[0]).strip()]
    tree, missing, count = Tree(case["json"], segments), [], 0
    everything, plain = set(words(case["all"])), set(words(case["plain"]))
    named = set(re.findall(r"[A-Z][A-Z0-9]{2}-[0-9]+", row(case["plain"], "hidden")))
    others = set(row(case["plain"], "also").split()) | set(row(case["plain"], "segments").split())
    about = [one for name, one in segments if name in PATIENT]
    private = {word for one in about for field in one[1:] for _, part in leaves(field) for word in words(part)}
    is_private_note = False
    for name, segment in segments:
        kind = str(segment[2]).strip() if name == "OBX" and len(segment) > 2 else ""
        fields = list(enumerate(segment[1:], 1))
        if name == "MSH":
            # The package counts the separator as the first field, as HL7 does.
            fields = [(number, field) for number, field in fields if number > 2]
        values = [
            (number, component, part)
            for number, field in fields
            for component, part in leaves(field)
            if not is_left_out(name, number, component, part, kind)
        ]
        if name not in LISTED + PATIENT + ["MSH", "OBR", "OBX", "NTE"]:
            # A line that begins with no name of a segment could hold anything.
            shown_name = name if re.fullmatch("[A-Za-z][A-Z0-9]{2}", name) else "?"
            if shown_name not in others and name != "ADD":
                missing.append(f"{name} is not named")
            # A note behind it is named as well.
            tree.owner = tree.owner if name == "ADD" else {}
            continue
        every = {word for _, _, part in values for word in words(part)}
        shown = part_of(tree, name, every)
        if shown is None or (name == "NTE" and not shown and "NTE" not in others):
            missing.append(f"{name}: no part of the tree has {sorted(every)}")
            continue
        if name == "NTE" and not shown:
            continue
        if name != "NTE":
            is_term = name == "OBX" and PATIENT_TERM.search(str(segment[3]) if len(segment) > 3 else "")
            is_private_note = name in PATIENT or bool(is_term) or is_private_note and name == "PRT"
        seen = known(shown)
        for number, component, part in values:
            count += 1
            where = f"{name}-{number}.{component} {part!r}"
            own = set(words(part))
            if not own <= seen:
                missing.append(f"{where}: JSON has not {sorted(own - seen)}")
            # Lines for people have times in their zone, plain names of units, and words for codes.
            is_plain = TIME.match(part) or (name, number) in WORDED
            if not is_plain and not own <= everything:
                missing.append(f"{where}: --phi --full has not {sorted(own - everything)}")
            is_named = f"{name}-{number}" in named or own & private or is_private_note
            is_cut = "…" in case["plain"] or kind in ("ED", "RP")
            unit = name in ("RXG", "RXC", "RXE", "RXO", "TQ1") and not own <= plain
            if not is_plain and not is_named and not is_cut and not unit and not own <= plain:
                missing.append(f"{where}: without --phi, neither shown nor named")
    if about and "hidden" not in row(case["plain"], "patient"):
        missing.append("nothing says that the patient is hidden")
    return {"name": case["name"], "values": count, "missing": missing}


for line in open(sys.argv[1]):
    print(json.dumps(compare(json.loads(line))))
