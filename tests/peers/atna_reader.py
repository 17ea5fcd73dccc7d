"""Looks for the elements of audit messages that DICOM PS3.15 A.5 makes mandatory and its schema does not express.

usage: atna_reader.py FILE...

Prints one line for each fault and ends with status 1 if there is one. The tables of A.5.3 are written down as rules
for each event. One element is left out on purpose: Import, Export and Patient Record have the platform's id of the
message in place of the patient (docs/explanation/audit.md).
"""

import base64
import ipaddress
import sys
import xml.etree.ElementTree as ElementTree

APPLICATION, LOG_USED, EXPORT = "110100", "110101", "110106"
IMPORT, RECORD, ALERT = "110107", "110110", "110113"
AUTHENTICATION, LOGIN, LOGOUT = "110114", "110122", "110123"
SOURCE, DESTINATION, MEDIA, APPLICATION_ROLE = "110153", "110152", "110154", "110150"
QUERY = "110112"
NODE_ID, URI = "110182", "12"

# Event types of a security alert: PS3.16 CID 401.
ALERT_TYPES = {str(code) for code in range(110126, 110141)}

ACTIONS = {APPLICATION: "E", LOG_USED: "R", EXPORT: "R", IMPORT: "C", RECORD: "CRUD", ALERT: "E",
           AUTHENTICATION: "E", QUERY: "E"}


def codes(parent, name):
    return [child.get("csd-code") for child in parent.findall(name)]


def details(node):
    return {detail.get("type"): base64.b64decode(detail.get("value"), validate=True).decode()
            for detail in node.findall("ParticipantObjectDetail")}


def is_address(text):
    try:
        ipaddress.ip_address(text)
        return True
    except ValueError:
        return False


def is_scoped(text):
    """name@domain"""
    name, at, domain = text.rpartition("@")
    return bool(name and at and domain)


def faults(root):
    identification = root.find("EventIdentification")
    event = codes(identification, "EventID")[0]
    people = root.findall("ActiveParticipant")
    objects = root.findall("ParticipantObjectIdentification")
    if event not in ACTIONS:
        yield f"{event}: an event without a rule"
        return
    # A.5.2: what every message has.
    if (identification.get("EventActionCode") or "-") not in ACTIONS[event]:
        yield "EventActionCode is not the one of the event"
    for coded in root.iter():
        if coded.get("csd-code") and coded.tag != "AuditSourceTypeCode":
            if not all(coded.get(name) for name in ("codeSystemName", "originalText")):
                yield f"{coded.tag} has no code system or text"
    for one in people:
        if not one.get("UserID"):
            yield "a participant has no UserID"
        if (one.get("NetworkAccessPointID") is None) != (one.get("NetworkAccessPointTypeCode") is None):
            yield "an access point without its type"
        if one.get("NetworkAccessPointTypeCode") == "2" and not is_address(one.get("NetworkAccessPointID")):
            yield "an access point that is no address"
    requestors = [one for one in people if one.get("UserIsRequestor") == "true"]
    # A.5.2.1: a requestor of ours is a person (login@domain), but for a device that imports.
    if event != IMPORT:
        for one in requestors:
            if not is_scoped(one.get("UserID")):
                yield f"the user {one.get('UserID')!r} is not login@domain"
    for one in objects:
        if not one.get("ParticipantObjectID") or not one.get("ParticipantObjectTypeCode"):
            yield "an object without id or type"
        details(one)
    roles = [role for one in people for role in codes(one, "RoleIDCode")]
    if event == APPLICATION:
        if not set(codes(identification, "EventTypeCode")) & {"110120", "110121"}:
            yield "Application Activity without Start or Stop"
        if roles.count(APPLICATION_ROLE) != 1:
            yield "Application Activity without one application"
    elif event == LOG_USED:
        if not 1 <= len(people) <= 2 or len(requestors) != 1:
            yield "Audit Log Used has one or two participants, and one of them asked"
        if len(objects) != 1:
            yield "Audit Log Used without its log"
        for log in objects:
            wanted = (log.get("ParticipantObjectTypeCode"), log.get("ParticipantObjectTypeCodeRole"))
            name = log.findtext("ParticipantObjectName")
            if wanted != ("2", "13") or codes(log, "ParticipantObjectIDTypeCode") != [URI]:
                yield "the log is no security resource with a URI"
            if name != "Security Audit Log" or "://" not in log.get("ParticipantObjectID"):
                yield f"the log is called {name!r}"
    elif event == EXPORT:
        if SOURCE not in roles or not {DESTINATION, MEDIA} & set(roles):
            yield "Export without its two ends"
        for one in people:
            if MEDIA in codes(one, "RoleIDCode") and one.find("MediaIdentifier/MediaType") is None:
                yield "media without its type"
        if not objects:
            yield "Export without what was exported"
    elif event == QUERY:
        if SOURCE not in roles or DESTINATION not in roles:
            yield "Query without who asks and who answers"
        if len(objects) != 1 or objects[0].find("ParticipantObjectQuery") is None:
            yield "Query without what was asked"
    elif event == IMPORT:
        if SOURCE not in roles or DESTINATION not in roles:
            yield "Import without its two ends"
        if len(objects) != 1:
            yield "Import without what was imported"
    elif event == RECORD:
        if not requestors or not objects:
            yield "Patient Record without user or object"
    elif event == AUTHENTICATION:
        if not set(codes(identification, "EventTypeCode")) & {LOGIN, LOGOUT}:
            yield "User Authentication without Login or Logout"
        if len(requestors) != 1 or len(people) > 2:
            yield "User Authentication without one person"
        if objects:
            yield "User Authentication with an object"
    elif event == ALERT:
        if len(set(codes(identification, "EventTypeCode")) & ALERT_TYPES) < 1:
            yield "Security Alert without its type"
        if not people:
            yield "Security Alert without who reports it"
        if not objects:
            yield "Security Alert without its subject"
        for one in objects:
            if not details(one).get("Alert Description"):
                yield "Security Alert without Alert Description"
            kind, name = codes(one, "ParticipantObjectIDTypeCode"), one.get("ParticipantObjectID") or ""
            if kind == [NODE_ID] and not (is_address(name) or is_scoped(name)):
                yield f"the node {name!r} is neither name@domain nor an address"
            if kind == [URI] and "://" not in name:
                yield f"{name!r} is no URI"
            if kind not in ([NODE_ID], [URI]):
                yield "the subject of an alert is a node or a URI"


def main():
    found = 0
    for name in sys.argv[1:]:
        for fault in faults(ElementTree.parse(name).getroot()):
            print(f"{name}: {fault}")
            found += 1
    sys.exit(1 if found else 0)


main()
