"""A partner that reads files with boto3. A line of JSON from stdin: "endpoint", "ca", "token" (the response of
v1/token), "others" (buckets and keys that are not the partner's). Its answer in JSON to stdout.
"""

import json
import sys

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError


def client(asked, credentials):
    return boto3.client(
        "s3",
        endpoint_url=asked["endpoint"],
        region_name="us-east-1",
        verify=asked["ca"],
        aws_access_key_id=credentials["AccessKeyId"],
        aws_secret_access_key=credentials["SecretAccessKey"],
        aws_session_token=credentials["SessionToken"],
        config=Config(s3={"addressing_style": "path"}, proxies={}, retries={"max_attempts": 1}),
    )


def refused(call):
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "done"


for line in sys.stdin:
    asked = json.loads(line)
    credentials = asked["token"]["awsCredentials"]
    bucket = asked["token"]["awsResources"][0].removeprefix("arn:aws:s3:::")
    s3 = client(asked, credentials)
    if "only-list" in asked:
        print(json.dumps(refused(lambda: s3.list_objects_v2(Bucket=bucket))), flush=True)
        continue
    # Pages of one: the client follows the continuation tokens by itself.
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=bucket, Prefix="delivery/", PaginationConfig={"PageSize": 1}
    )
    found = [item for page in pages for item in page.get("Contents", [])]
    files = {}
    for item in found:
        got = s3.get_object(Bucket=bucket, Key=item["Key"])
        body = got["Body"].read()
        head = s3.head_object(Bucket=bucket, Key=item["Key"])
        part = s3.get_object(Bucket=bucket, Key=item["Key"], Range="bytes=2-13")["Body"].read()
        files[item["Key"]] = {
            "bundle": json.loads(body),
            "sizes": [item["Size"], head["ContentLength"], len(body)],
            "tags": sorted({item["ETag"], head["ETag"], got["ETag"]}),
            "part": part == body[2:14],
        }
    # As `aws s3 ls` does, from folder to folder.
    folders = []
    folder = ""
    while True:
        listed = s3.list_objects_v2(Bucket=bucket, Prefix=folder, Delimiter="/", EncodingType="url")
        below = [one["Prefix"] for one in listed.get("CommonPrefixes", [])]
        folders.append([len(below), len(listed.get("Contents", [])), listed["KeyCount"]])
        if not below:
            break
        folder = below[0]
    first = min(files)
    behind = s3.list_objects_v2(Bucket=bucket, StartAfter=first[:-9]).get("Contents", [])
    wrong = dict(credentials, SecretAccessKey="x" * 43)
    other = dict(credentials, SessionToken="x" * 43)
    result = {
        "files": files,
        "folders": folders,
        "behind-a-part-of-the-first": sorted(item["Key"] for item in behind) == sorted(files),
        "behind-the-first": len(s3.list_objects_v2(Bucket=bucket, StartAfter=first).get("Contents", [])),
        "wrong-secret": refused(lambda: client(asked, wrong).list_objects_v2(Bucket=bucket)),
        "wrong-token": refused(lambda: client(asked, other).list_objects_v2(Bucket=bucket)),
        "put": refused(lambda: s3.put_object(Bucket=bucket, Key="x", Body=b"x")),
        "others": [refused(lambda: s3.get_object(Bucket=at[0], Key=at[1])) for at in asked["others"]],
        "other-lists": [refused(lambda: s3.list_objects_v2(Bucket=at[0])) for at in asked["others"]],
    }
    print(json.dumps(result), flush=True)
