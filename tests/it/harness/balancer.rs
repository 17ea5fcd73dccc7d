//! HAProxy and nginx with the configurations of `deploy`, unpacked by `tests/run` from their Debian packages,
//! so that no service of them is ever started.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::{eventually, fixed_address};

/// A load balancer in front of one platform.
#[derive(Debug)]
pub struct Balancer {
    child: Child,
    /// Where devices connect.
    pub address: SocketAddr,
    folder: TempDir,
}

/// Which program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalancerKind {
    Haproxy,
    Nginx,
}

impl Balancer {
    /// Starts it with the shipped configuration, in which only addresses are replaced.
    pub fn start(kind: BalancerKind, platform: SocketAddr) -> Self {
        Self::start_with(kind, platform, &[])
    }

    /// The same with these lines in place of those.
    pub fn start_with(kind: BalancerKind, platform: SocketAddr, lines: &[(&str, &str)]) -> Self {
        Self::start_at(kind, fixed_address(), platform, lines)
    }

    /// The same at this address.
    pub fn start_at(
        kind: BalancerKind,
        address: SocketAddr,
        platform: SocketAddr,
        lines: &[(&str, &str)],
    ) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers/balancers");
        assert!(root.exists(), "no load balancers in {}: tests/run fetches them", root.display());
        let folder = tempfile::tempdir().unwrap();
        let module = root.join("usr/lib/nginx/modules/ngx_stream_module.so");
        let module = format!("load_module {};", module.display());
        let (bind, listen) = (format!("bind {address}"), format!("listen {address}"));
        let (to, port) = (platform.to_string(), address.to_string());
        let (shipped, own): (_, Vec<(&str, &str)>) = match kind {
            BalancerKind::Haproxy => {
                ("haproxy/haproxy.cfg", vec![("bind :2575\n    bind :::2575 v6only", &bind)])
            }
            BalancerKind::Nginx => (
                "nginx/nginx.conf",
                vec![
                    ("include /etc/nginx/modules-enabled/*.conf;", &module),
                    ("listen [::]:2575 ipv6only=off", &listen),
                ],
            ),
        };
        let nodes = [("10.20.0.11:2575", to.as_str()), ("10.20.0.12:2575", to.as_str())];
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(shipped);
        let mut text = std::fs::read_to_string(shipped).unwrap();
        for (from, to) in own.iter().chain(&nodes).chain(lines) {
            assert!(text.contains(from), "no {from} in the configuration: {text}");
            text = text.replace(from, to);
        }
        let file = folder.path().join("configuration");
        std::fs::write(&file, text).unwrap();
        let child = program(kind, &root, folder.path(), &file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let balancer = Self { child, address, folder };
        eventually(&format!("{kind:?} listens on {port}: {}", balancer.log()), || {
            TcpStream::connect(address).is_ok()
        });
        balancer
    }

    /// What it has written to stderr.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }
}

fn program(kind: BalancerKind, root: &Path, folder: &Path, file: &Path) -> Command {
    let mut command = match kind {
        BalancerKind::Haproxy => {
            let mut haproxy = Command::new(root.join("usr/sbin/haproxy"));
            haproxy.args(["-db", "-f"]).arg(file);
            haproxy
        }
        BalancerKind::Nginx => {
            let mut nginx = Command::new(root.join("usr/sbin/nginx"));
            // One process, which ends with its handle.
            let here =
                format!("daemon off; master_process off; pid {}/pid; error_log stderr;", folder.display());
            nginx.arg("-p").arg(folder).arg("-c").arg(file).args(["-g", &here]);
            nginx
        }
    };
    let libraries = std::fs::read_dir(root.join("usr/lib")).unwrap().map(|entry| entry.unwrap().path());
    let libraries: Vec<PathBuf> = libraries.filter(|folder| folder.ends_with(architecture())).collect();
    command.env("LD_LIBRARY_PATH", std::env::join_paths(libraries).unwrap());
    command
}

/// The folder of the libraries of this machine, as Debian names it.
fn architecture() -> String {
    format!("{}-linux-gnu", std::env::consts::ARCH)
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
