"""Validates FHIR R4 resources with the package fhirkit-rs.

Usage: validate.py < LINES     one resource a line

Prints one JSON object for each line: {"errors": [...]}. An error is also what does not come back as it was
read: a number that lost digits, an element in another order.
"""
import json
import sys

import fhirkit


def errors(line: str) -> list[str]:
    try:
        resource = fhirkit.parse(line)
    except ValueError as error:
        return [str(error)]
    found = [f"{issue.path}: {issue.message}" for issue in resource.issues if issue.severity == "error"]
    if resource.to_json() != line:
        found.append(f"read as {resource.to_json()}")
    return found


for written in sys.stdin:
    if written.strip():
        print(json.dumps({"errors": errors(written.strip())}))
