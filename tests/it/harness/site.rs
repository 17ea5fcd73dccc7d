//! One PKI for all tests of this binary, and a folder for each test.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use pcd_platform::model::Clock;
use pcd_platform::pki::{CertificateOrder, Issued, KeyType, Role, TestPki};
use sqlx::Connection as _;
use tempfile::TempDir;

use super::{Platform, cluster, runtime, tool};

/// The files of a certificate and its key.
#[derive(Debug, Clone)]
pub struct Credential {
    pub chain: PathBuf,
    pub key: PathBuf,
}

impl Credential {
    /// The password of the files of [`Credential::pkcs12`].
    pub const PASSWORD: &str = "not-a-secret";

    /// Key and chain in one file, for peers that want it so (RFC 7292); made with OpenSSL, once.
    pub fn pkcs12(&self, name: &str) -> PathBuf {
        let file = self.key.with_extension("p12");
        if !file.exists() {
            let made = tool("openssl", "openssl")
                .args(["pkcs12", "-export", "-name", name, "-passout"])
                .arg(format!("pass:{}", Self::PASSWORD))
                .arg("-in")
                .arg(&self.chain)
                .arg("-inkey")
                .arg(&self.key)
                .arg("-out")
                .arg(&file)
                .output()
                .unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        file
    }
}

/// Making RSA keys takes seconds: roots and issuing CAs are made once. They live as long as the process.
static PKI: LazyLock<(TempDir, TestPki)> = LazyLock::new(|| {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let pki = establish(&folder.path().join("pki"), &Clock::system());
    (folder, pki)
});

/// The turn of those who order the same files.
fn turn(file: &Path) -> Arc<Mutex<()>> {
    static TURNS: Mutex<BTreeMap<PathBuf, Arc<Mutex<()>>>> = Mutex::new(BTreeMap::new());
    let mut turns = TURNS.lock().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(turns.entry(file.to_owned()).or_default())
}

/// Makes a PKI in `folder`, with certificates for `platform`; no URL of it is ever answered.
pub fn establish(folder: &Path, clock: &Clock) -> TestPki {
    let pki = TestPki::init(folder, "http://127.0.0.1:9", clock).unwrap();
    for key in [KeyType::Ecc, KeyType::Rsa] {
        pki.issue(&CertificateOrder::new("platform", Role::Platform, key)).unwrap();
    }
    pki
}

/// The PKI of all tests.
pub fn pki() -> &'static TestPki {
    &PKI.1
}

/// A folder with a configuration and an empty store; its platform can be started, stopped and started again.
#[derive(Debug)]
pub struct Site {
    folder: TempDir,
    pki: PathBuf,
    /// Lines that are put under the tables of the configuration: `("messages", "types = \"any\"")`.
    settings: Vec<(&'static str, String)>,
    /// What the platform finds in its environment.
    environment: Vec<(&'static str, PathBuf)>,
    /// Tables behind the others.
    text: String,
    /// The words in front of the platform's command line.
    launcher: Vec<String>,
    /// The socket that its launcher finds as stdin.
    stdin: Option<TcpListener>,
}

const TABLES: [&str; 18] = [
    "enrol",
    "api",
    "fhir",
    "notifications",
    "interface-a",
    "tls",
    "revocation",
    "stapling",
    "devices",
    "messages",
    "orders",
    "gateway",
    "store",
    "admin",
    "admin.roles",
    "log",
    "audit",
    "audit.repository",
];

impl Site {
    /// A site of the PKI that all tests share.
    pub fn new() -> Self {
        Self::of(&PKI.0.path().join("pki"))
    }

    /// A site of the PKI in a folder, which has issued certificates to `platform`.
    pub fn of(pki: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let credential = |kind: &str| {
            let file =
                |end: &str| pki.join("platform").join(format!("platform.{kind}.{end}")).display().to_string();
            format!("{kind} = {{ chain = \"{}\", key = \"{}\" }}", file("chain.pem"), file("key"))
        };
        let anchors = pki.join("root-ecc.pem").display().to_string();
        let settings = vec![
            ("interface-a", "listen = [\"127.0.0.1:0\"]".to_owned()),
            ("tls", format!("client-trust-anchors = [\"{anchors}\", \"{}\"]", anchors.replace("ecc", "rsa"))),
            ("tls", credential("ecc")),
            ("tls", credential("rsa")),
            ("revocation", format!("installed-crls = [\"{}\"]", pki.join("crl").display())),
            ("store", "url = \"sqlite:platform.db\"".to_owned()),
            // How full the disk of the machine is that tests says nothing about the platform.
            ("store", "min-free-percent = 0".to_owned()),
            ("admin", "listen = \"127.0.0.1:0\"".to_owned()),
            ("log", "level = \"debug\"".to_owned()),
            // All tests come from one address, and look for the row of one connection.
            ("audit", "refusal-interval = \"never\"".to_owned()),
            ("audit", "refusal-rate = 100000".to_owned()),
            ("audit", "refusal-bytes = \"1 GiB\"".to_owned()),
        ];
        Self {
            folder,
            pki: pki.to_owned(),
            settings,
            environment: Vec::new(),
            text: String::new(),
            launcher: Vec::new(),
            stdin: None,
        }
    }

    /// A site of the PKI that all tests share, with its store in a new database of the server that they
    /// share.
    pub fn on_postgres() -> Self {
        Self::of_database(&cluster::shared().database())
    }

    /// A site with its store on a server.
    pub fn of_database(url: &str) -> Self {
        Self::new().with("store", &format!("url = \"{url}\""))
    }

    /// One site for each kind of store.
    pub fn on_each_store() -> [Self; 2] {
        [Self::new(), Self::on_postgres()]
    }

    /// The URL of its store, when that is on a server.
    pub fn database(&self) -> Option<String> {
        let url = self.settings.iter().find_map(|(_, line)| line.strip_prefix("url = \""))?;
        url.starts_with("postgres").then(|| url.trim_end_matches('"').to_owned())
    }

    /// Adds a line to a table of the configuration, in place of the earlier value of the same key.
    pub fn with(mut self, table: &'static str, line: &str) -> Self {
        assert!(TABLES.contains(&table), "no table [{table}]");
        let key = |line: &str| line.split('=').next().unwrap().trim().to_owned();
        self.settings.retain(|(at, known)| *at != table || key(known) != key(line));
        self.settings.push((table, line.to_owned()));
        self
    }

    /// The lines of a table of the configuration.
    pub fn settings(&self, table: &str) -> Vec<String> {
        self.settings.iter().filter(|(at, _)| *at == table).map(|(_, line)| line.clone()).collect()
    }

    /// Whether its admin listener speaks TLS.
    pub fn has_roots_of_people(&self) -> bool {
        self.settings.iter().any(|(at, line)| *at == "admin" && line.starts_with("trust-anchors = "))
    }

    /// Takes a key out of a table of the configuration.
    pub fn without(mut self, table: &'static str, key: &str) -> Self {
        self.settings.retain(|(at, line)| *at != table || line.split('=').next().unwrap().trim() != key);
        self
    }

    /// With the limits on rows about refused peers that a hospital has.
    pub fn with_limited_refusals(self) -> Self {
        let keys = ["refusal-interval", "refusal-rate", "refusal-bytes"];
        keys.into_iter().fold(self, |site, key| site.without("audit", key))
    }

    /// A store whose triggers the test changes, which stops a platform otherwise.
    pub fn with_changed_triggers(self) -> Self {
        self.with("store", "accepted-risks = [\"triggers-off\", \"foreign-code\", \"changed-index\"]")
    }

    /// Appends tables to the configuration, in place of those appended before.
    pub fn with_text(self, text: &str) -> Self {
        Self { text: text.to_owned(), ..self }
    }

    /// Sets a variable in the environment of the platform.
    pub fn with_environment(mut self, name: &'static str, value: PathBuf) -> Self {
        self.environment.push((name, value));
        self
    }

    /// Starts the platform by a shell script, which ends with `exec "$@"`.
    pub fn launched_by(mut self, script: &str) -> Self {
        self.launcher = ["sh", "-c", script, "launcher"].map(str::to_owned).to_vec();
        self
    }

    /// Passes a listening socket, with a name, as a service manager does. The test keeps it over restarts.
    pub fn with_passed_socket(self, socket: TcpListener, name: &str) -> Self {
        let script = format!(
            "exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$ LISTEN_FDNAMES={name}; exec \"$@\""
        );
        Self { stdin: Some(socket), ..self.launched_by(&script) }
    }

    /// What the launcher has as stdin.
    pub fn stdin(&self) -> Stdio {
        match &self.stdin {
            Some(socket) => OwnedFd::from(socket.try_clone().unwrap()).into(),
            None => Stdio::null(),
        }
    }

    pub fn launcher(&self) -> &[String] {
        &self.launcher
    }

    pub fn environment(&self) -> &[(&'static str, PathBuf)] {
        &self.environment
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration, as it would be written now.
    pub fn write_configuration(&self) -> PathBuf {
        let file = self.path().join("platform.toml");
        let mut text = String::new();
        // A table that is there means something, even if it is empty.
        let wanted = |table: &str| self.settings.iter().any(|(at, _)| *at == table);
        for table in TABLES.into_iter().filter(|table| wanted(table)) {
            text += &format!("[{table}]\n");
            for (_, line) in self.settings.iter().filter(|(at, _)| *at == table) {
                text += line;
                text.push('\n');
            }
        }
        text += &self.text;
        std::fs::write(&file, text).unwrap();
        file
    }

    /// Changes one bit of the stored content of a message, in the file of a platform that was stopped: SQLite
    /// does not notice.
    pub fn damage(&self, control_id: &str) {
        let database = self.path().join("platform.db");
        let raw: Vec<u8> = runtime().block_on(async {
            let url = format!("sqlite://{}", database.display());
            let mut outside = sqlx::SqliteConnection::connect(&url).await.unwrap();
            let sql = "SELECT raw FROM message WHERE control_id = $1";
            let raw = sqlx::query_scalar(sql).bind(control_id).fetch_one(&mut outside).await.unwrap();
            outside.close().await.unwrap();
            raw
        });
        let mut bytes = std::fs::read(&database).unwrap();
        let place = bytes.windows(raw.len()).position(|window| window == raw).expect("the message is there");
        bytes[place + raw.len() / 2] ^= 1;
        std::fs::write(&database, bytes).unwrap();
    }

    /// Starts the platform and waits until it listens.
    pub fn start(&self) -> Platform {
        Platform::start(self)
    }

    /// A certificate with a Common Name, ECC or RSA; not in the directory yet.
    pub fn certificate(&self, name: &str, key: KeyType) -> Credential {
        self.issue(&CertificateOrder::new(name, Role::Device, key))
    }

    /// Any certificate that the PKI can make; files are this site's own.
    pub fn issue(&self, order: &CertificateOrder) -> Credential {
        // Two tests may order the same name: the files of one must not be taken by the other. An order for
        // another name does not wait for the RSA key of this one.
        let turn = turn(&pki().issued_files(order).key);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Issued { chain, key } = pki().issue(order).unwrap();
        let take = |from: PathBuf| {
            let to = self.path().join(from.file_name().unwrap());
            std::fs::copy(&from, &to).unwrap();
            to
        };
        Credential { chain: take(chain), key: take(key) }
    }

    /// The roots that a client trusts.
    pub fn trust_anchors(&self) -> Vec<PathBuf> {
        ["root-ecc.pem", "root-rsa.pem"].map(|root| self.pki.join(root)).to_vec()
    }

    /// Both roots in one PEM file, for peers that take one.
    pub fn trust_bundle(&self) -> PathBuf {
        let (bundle, new) = (self.path().join("roots.pem"), self.path().join("roots.new"));
        let text: String =
            self.trust_anchors().iter().map(|root| std::fs::read_to_string(root).unwrap()).collect();
        // Renamed: a peer that was started before may be reading it.
        std::fs::write(&new, text).unwrap();
        std::fs::rename(&new, &bundle).unwrap();
        bundle
    }
}
