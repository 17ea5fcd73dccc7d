"""Reads a patient's observations with two clients that are not ours: fhirpy and fhirclient.

usage: read.py BASE ROOTS CHAIN KEY SYSTEM VALUE

Prints one line of JSON for each client: what it found.
"""

import json
import sys

from fhirclient import client as smart
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound


def with_fhirpy(base, roots, certificate, system, value):
    client = SyncFHIRClient(base, requests_config={"cert": certificate, "verify": roots})
    patient = client.resources("Patient").search(identifier=f"{system}|{value}").first()
    search = client.resources("Observation").search(patient=patient.id).limit(3)
    found = search.fetch_all()
    one = client.reference("Observation", found[0].id).to_resource()
    refused = None
    try:
        client.resources("Observation").search(patinet=patient.id).fetch()
    except OperationOutcome as outcome:
        refused = outcome.resource["issue"][0]["code"]
    missing = False
    try:
        client.reference("Device", "none").to_resource()
    except ResourceNotFound:
        missing = True
    return {
        "patient": patient.id,
        "observations": [resource.id for resource in found],
        "codes": sorted({resource["code"]["coding"][0]["code"] for resource in found if "coding" in resource["code"]}),
        "one": one.id == found[0].id,
        "refused": refused,
        "missing": missing,
    }


def with_fhirclient(base, roots, certificate, system, value):
    reader = smart.FHIRClient(settings={"app_id": "test", "api_base": base})
    reader.server.session.cert, reader.server.session.verify = certificate, roots
    # Roots that the environment names would count before these.
    reader.server.session.trust_env = False
    patients = Patient.where({"identifier": f"{system}|{value}"}).perform_resources(reader.server)
    # It reads each element into its class, and fails for one that R4 does not have.
    search = Observation.where({"patient": patients[0].id, "_count": "1000"})
    found = search.perform_resources(reader.server)
    one = Observation.read(found[0].id, reader.server)
    values = [resource.valueQuantity.value for resource in found if resource.valueQuantity]
    return {
        "patient": patients[0].id,
        "observations": [resource.id for resource in found],
        "one": one.id == found[0].id and one.meta.lastUpdated is not None,
        "values": len(values),
    }


def main():
    base, roots, chain, key, system, value = sys.argv[1:]
    for read in (with_fhirpy, with_fhirclient):
        print(json.dumps(read(base, roots, (chain, key), system, value)))


main()
