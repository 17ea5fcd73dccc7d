"""Authlib with requests gets a token by certificate (RFC 8705), and reads with it.

usage: authlib_client.py BASE ROOTS CHAIN KEY OTHER_CHAIN OTHER_KEY. Prints one line of JSON.
"""

import json
import sys

from authlib.integrations.requests_client import OAuth2Session

base, roots, chain, key, other_chain, other_key = sys.argv[1:]

# The roots that the environment names would replace those of a session.
class Session(OAuth2Session):
    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.trust_env, self.verify = False, roots


session = Session("ehr", token_endpoint_auth_method="none", scope="system/Observation.rs")
session.cert = (chain, key)
token = session.fetch_token(f"{base}/oauth/token", grant_type="client_credentials")
path = f"{base}/fhir/Observation?_id=nothing"
own = session.get(path).status_code

other = Session("ehr", token=token)
other.cert = (other_chain, other_key)
refused = other.get(path)
plain = Session("ehr", token=token)
print(json.dumps({
    "type": token["token_type"],
    "scope": token["scope"],
    "own": own,
    "other": [refused.status_code, refused.headers["www-authenticate"]],
    "none": plain.get(path).status_code,
}))
