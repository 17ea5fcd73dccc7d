"""Authlib with requests: the address of the page, and the exchange of the code with a signed assertion.

usage: authlib_code.py url BASE CLIENT CALLBACK
       authlib_code.py token BASE CLIENT CALLBACK ROOTS CHAIN KEY STATE VERIFIER LOCATION

Prints one line of JSON.
"""

import json
import re
import sys
import time
import uuid

from authlib.common.security import generate_token
from authlib.integrations.requests_client import OAuth2Session
from authlib.jose import jwt

step, base, client, callback, *more = sys.argv[1:]
issuer = "https://127.0.0.1:8443"


def session(**named):
    made = OAuth2Session(
        client, scope="system/Observation.rs", redirect_uri=callback, code_challenge_method="S256", **named
    )
    # The roots that the environment names would replace those of a session.
    made.trust_env = False
    return made


if step == "url":
    verifier = generate_token(48)
    url, state = session().create_authorization_url(f"{base}/oauth/authorize", code_verifier=verifier)
    print(json.dumps({"url": url, "state": state, "verifier": verifier}))
else:
    roots, chain, key, state, verifier, location = more
    with open(chain) as file:
        blocks = re.findall("-----BEGIN CERTIFICATE-----([^-]+)-----END CERTIFICATE-----", file.read())
    with open(key) as file:
        secret = file.read()
    now = int(time.time())
    header = {"alg": "ES256", "x5c": ["".join(block.split()) for block in blocks]}
    claims = {"iss": client, "sub": client, "aud": f"{issuer}/oauth/token", "iat": now, "exp": now + 240}
    assertion = jwt.encode(header, {**claims, "jti": str(uuid.uuid4())}, secret).decode()
    made = session(token_endpoint_auth_method="none", state=state)
    made.verify = roots
    token = made.fetch_token(
        f"{base}/oauth/token",
        authorization_response=location,
        code_verifier=verifier,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        client_assertion=assertion,
    )
    read = made.get(f"{base}/fhir/Observation?_id=nothing")
    print(json.dumps({"type": token["token_type"], "scope": token["scope"], "read": read.status_code}))
