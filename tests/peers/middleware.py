"""A partner's middleware: it asks for notifications, acknowledges them and fetches files, with requests (and
boto3 for files). A request in JSON from each line of stdin, its answer in JSON to stdout.

middleware.py BASE CA CHAIN KEY
"""

import json
import sys

import requests

base, ca, chain, key = sys.argv[1:5]
session = requests.Session()
# Neither bundles nor proxies of the environment.
session.trust_env = False
session.verify = ca
if chain:
    session.cert = (chain, key)


def call(line):
    """METHOD PATH HEADERS of line, as they are; status, headers and body."""
    answer = session.request(
        line.get("method", "POST"),
        base + line["path"],
        headers=line.get("headers", {}),
        params=line.get("parameters"),
        timeout=60,
        allow_redirects=False,
    )
    try:
        body = answer.json()
    except ValueError:
        body = answer.text
    return {"status": answer.status_code, "headers": dict(answer.headers), "body": body}


for text in sys.stdin:
    try:
        result = call(json.loads(text))
    except requests.exceptions.RequestException as error:
        result = {"status": 0, "headers": {}, "body": type(error).__name__}
    print(json.dumps(result), flush=True)
