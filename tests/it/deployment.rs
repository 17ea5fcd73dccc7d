//! What is deployed in containers, by the programs and schemas that read it: kustomize builds each overlay,
//! and every resource is valid; the compose file names what is there; the dashboards are Grafana's.

use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::harness::{binary, command_at, finish, fixed_address, tool, wait_for};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

fn kubernetes(path: &str) -> PathBuf {
    Path::new(PROJECT).join("deploy/kubernetes").join(path)
}

/// The resources of the overlay in `folder`, as YAML.
fn built(folder: &Path) -> Vec<u8> {
    let fetched = Path::new(PROJECT).join("target/peers/kubectl");
    let mut kubectl = if fetched.is_file() { Command::new(fetched) } else { tool("kubectl", "tests/run") };
    let output = kubectl.arg("kustomize").arg(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What the schemas of `kind` say of it; every resource has to be valid.
fn validated(kind: &str, input: &[u8]) -> String {
    let python = Path::new(PROJECT).join("target/peers/python/bin/python");
    let schemas = Path::new(PROJECT).join("target/peers/schemas");
    assert!(schemas.is_dir() && python.is_file(), "the schemas are not installed: tests/run does it");
    let mut validator = command_at(&python);
    validator.arg(Path::new(PROJECT).join("tests/peers/deployment.py")).args([kind, PROJECT]).arg(schemas);
    let finished = finish(validator, input, None);
    assert!(finished.success, "{}", finished.text());
    String::from_utf8(finished.stdout).unwrap()
}

#[test]
fn kustomize_builds_each_overlay_and_every_resource_is_valid() {
    let sqlite = validated("kubernetes", &built(&kubernetes("overlays/sqlite")));
    assert!(sqlite.contains("1 replicas, budget: False"), "one process on a file: {sqlite}");
    let postgres = validated("kubernetes", &built(&kubernetes("overlays/postgres")));
    assert!(postgres.contains("2 replicas, budget: True"), "{postgres}");
}

/// What the schemas say of an overlay with this component.
fn with_component(component: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    // kustomize takes relative paths only.
    let up = "../".repeat(std::fs::canonicalize(folder.path()).unwrap().components().count() - 1);
    let path = |of: &str| format!("{up}{}", kubernetes(of).display().to_string().trim_start_matches('/'));
    let text = format!(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [{}]\ncomponents: [{}]\n",
        path("overlays/postgres"),
        path(&format!("components/{component}"))
    );
    std::fs::write(folder.path().join("kustomization.yaml"), text).unwrap();
    validated("kubernetes", &built(folder.path()))
}

#[test]
fn the_component_for_hospital_systems_opens_their_port() {
    let found = with_component("hospital-systems");
    assert!(found.contains("NetworkPolicy pcd-platform-hospital-systems is valid"), "{found}");
    assert!(found.contains("ports: api 8443, health 9576, interface-a 2575"), "{found}");
}

#[test]
fn the_monitoring_component_is_valid_and_has_the_alert_rules() {
    let found = with_component("monitoring");
    assert!(found.contains("PodMonitor pcd-platform is valid"), "{found}");
    assert!(found.contains("PrometheusRule pcd-platform is valid"), "{found}");
}

#[test]
fn the_configurations_of_the_overlays_are_understood() {
    for overlay in ["sqlite", "postgres"] {
        let file = kubernetes("overlays").join(overlay).join("platform.toml");
        let output = binary().args(["config", "show", "--config"]).arg(file).output().unwrap();
        assert!(output.status.success(), "{overlay}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_dashboards_have_only_what_the_schema_of_grafana_knows() {
    let schemas = Path::new(PROJECT).join("target/peers/schemas");
    let mut validator = tool("node", "nodejs");
    validator.arg(Path::new(PROJECT).join("tests/peers/schemas/dashboards.mjs")).arg(schemas);
    for dashboard in ["pcd-overview.json", "pcd-trust.json", "pcd-store.json"] {
        validator.arg(Path::new(PROJECT).join("deploy/grafana").join(dashboard));
    }
    let finished = finish(validator, b"", None);
    assert!(finished.success, "{}", finished.text());
}

#[test]
fn the_compose_file_is_valid_and_names_files_that_are_there() {
    let found = validated("compose", b"");
    for service in ["platform", "devices", "database", "prometheus", "grafana"] {
        assert!(found.contains(&format!("service {service} is valid")), "{found}");
    }
}

/// A volume belongs to root and is writable for the group of the pod; the files of secrets are links to files
/// of root that the group may read; nothing else can be written.
#[test]
fn the_platform_starts_with_the_mounts_of_a_pod() {
    if !rustix::process::geteuid().is_root() {
        println!("NOT CHECKED: only root can make the mounts of a pod");
        return;
    }
    let pod = tempfile::tempdir().unwrap();
    let (pki, data, site) = (pod.path().join("pki"), pod.path().join("data"), pod.path().join("site"));
    let output = binary().args(["init", "--host", "localhost"]).arg(&site).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    std::fs::create_dir_all(pki.join("..data")).unwrap();
    std::fs::create_dir(&data).unwrap();
    let files = ["root-ecc.pem", "root-rsa.pem"].map(str::to_owned).into_iter();
    let own = ["ecc", "rsa"].into_iter().flat_map(|kind| {
        [format!("platform/platform.{kind}.chain.pem"), format!("platform/platform.{kind}.key")]
    });
    for file in files.chain(own) {
        let name = Path::new(&file).file_name().unwrap();
        let secret = pki.join("..data").join(name);
        std::fs::copy(site.join("pki").join(&file), &secret).unwrap();
        set(&secret, 0o440);
        symlink(Path::new("..data").join(name), pki.join(name)).unwrap();
    }
    for entry in std::fs::read_dir(site.join("pki/crl")).unwrap() {
        let crl = entry.unwrap();
        std::fs::copy(crl.path(), pki.join(crl.file_name())).unwrap();
    }
    set(&data, 0o2775);
    set(pod.path(), 0o755);

    let text = std::fs::read_to_string(kubernetes("overlays/sqlite/platform.toml")).unwrap();
    let (devices, health, admin) = (fixed_address(), fixed_address(), fixed_address());
    let text = text
        .replace("/etc/pcd-platform-pki", pki.to_str().unwrap())
        .replace("/var/lib/pcd-platform", data.to_str().unwrap())
        .replace("[::]:2575", &devices.to_string())
        .replace("[::]:9576", &health.to_string());
    let config = pod.path().join("platform.toml");
    std::fs::write(&config, format!("{text}listen = \"{admin}\"\n")).unwrap();

    let mut platform = binary();
    platform.arg("serve").env("PCD_CONFIG", &config).env("PCD_NODE", "pcd-platform-0");
    let log = pod.path().join("log");
    platform.stderr(std::fs::File::create(&log).unwrap()).stdout(Stdio::null()).current_dir("/");
    let mut child = platform.uid(POD).gid(POD).spawn().unwrap();
    let is_listening = wait_for(
        "the probe is answered, or the platform has ended",
        || (TcpStream::connect(health).is_ok(), child.try_wait().unwrap().is_some()),
        |(answers, has_ended)| *answers || *has_ended,
    );
    let _ = child.kill();
    let _ = child.wait();
    assert!(is_listening.0, "{}", std::fs::read_to_string(&log).unwrap());
}

fn set(path: &Path, mode: u32) {
    chown(path, Some(0), Some(POD)).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// The user and the group of the pod.
const POD: u32 = 65532;
