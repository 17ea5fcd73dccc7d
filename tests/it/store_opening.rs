//! Which commands create or migrate a store, and what the others report when it is missing, outdated or owned
//! by another user.

use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

use pcd_platform::model::Clock;
use pcd_platform::pki::TestPki;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::harness::{Cli, Site, binary, cluster, eventually};

const NAME: &str = "00A037FFFE000001";
const MESSAGE: &str = "0198c6a1-7d2e-7c52-9b0e-3f6f2f0c1a55";

/// Commands that work on a store which is there, and neither create nor migrate one.
const COMMANDS: [&[&str]; 15] = [
    &["device", "list"],
    &["device", "show", NAME],
    &["device", "add", NAME],
    &["device", "suspend", NAME],
    &["message", "list"],
    &["message", "show", MESSAGE],
    &["message", "export"],
    &["order", "list"],
    &["order", "withdraw", MESSAGE],
    &["audit", "list"],
    &["audit", "verify"],
    &["audit", "export"],
    &["store", "check"],
    &["store", "backup", "/nonexistent/copy.db"],
    &["store", "migrate", "--dry-run"],
];

/// Every file below `folder`: its size and, when it is small, its bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, (u64, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            if metadata.is_dir() {
                folders.push(path.clone());
                found.insert(path, (0, Vec::new()));
            } else {
                found.insert(path.clone(), (metadata.len(), std::fs::read(&path).unwrap()));
            }
        }
    }
    found
}

/// A site whose folders for the store and for revocation are not there yet.
fn empty_site() -> Site {
    let site = Site::new()
        .with("store", "url = \"sqlite:data/platform.db\"")
        .with("revocation", "directory = \"data/revocation\"");
    site.write_configuration();
    site
}

/// The applied migrations of the store, from outside.
fn applied(site: &Site) -> Vec<i64> {
    let sql = "SELECT version FROM _sqlx_migrations ORDER BY version";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match site.database() {
            Some(url) => {
                let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
                sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
            }
            None => {
                let url = format!("sqlite:{}", site.path().join("data/platform.db").display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                let versions = sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap();
                connection.close().await.unwrap();
                versions
            }
        }
    })
}

/// Takes the last migration back, as far as a later program can see.
fn make_outdated(site: &Site) {
    let sql = "DELETE FROM _sqlx_migrations WHERE version >= 60;";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match site.database() {
            Some(url) => {
                let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
                let undo = "DROP INDEX audit_device; DROP TABLE contact; DROP TABLE refused; DROP TABLE feed;
                    ALTER TABLE device DROP COLUMN name; ALTER TABLE device DROP COLUMN ward;
                    ALTER TABLE device DROP COLUMN model; ALTER TABLE device DROP COLUMN serial;
                    ALTER TABLE device DROP COLUMN owner;
                    DROP INDEX audit_event; DROP INDEX audit_other; DROP TABLE milestone; DROP TABLE notification; DROP TABLE notified; DROP TABLE patient_key; DROP TABLE message_key; DROP TABLE forward; DROP TABLE relayed_order; DROP TABLE fhir_leader; DROP TABLE fhir_position; DROP TABLE fhir_resource; DROP TABLE fhir_group; DROP TABLE fhir_key; DROP TABLE fhir_version; DROP TABLE fhir_removed; DROP TABLE fhir_link; DROP TABLE subscription; DROP TABLE subscription_position; DROP TABLE partner_notification; DROP TABLE partner_credential; DROP TABLE organisation; DROP TABLE api_client; DROP TABLE api_certificate; DROP TABLE api_secret; DROP TABLE api_revision; DROP TABLE enrolment; DROP TABLE api_token; DROP TABLE api_jti; DROP TABLE api_registration; DROP TABLE api_authorization; DROP TABLE api_removed; DROP TABLE message_volume; DROP TABLE unfit_certificate; ALTER TABLE outbox DROP COLUMN reason;
                    DROP TABLE envelope; DROP TABLE reconsidered; DROP INDEX message_rejection; DROP INDEX message_rejected_control_id;
                    DROP TABLE node_lease; DROP TABLE confirmed_clock; ALTER TABLE audit_end DROP COLUMN holder;
                    ALTER TABLE outbox DROP COLUMN claimed_process;
                    ALTER TABLE device DROP COLUMN issuers; ALTER TABLE device DROP COLUMN silent_after;
                    ALTER TABLE device DROP COLUMN learn_until;
                    ALTER TABLE device DROP COLUMN expected; ALTER TABLE device DROP COLUMN receives_orders;
                    DROP INDEX outbox_answered;
                    ALTER TABLE outbox DROP COLUMN result_until, DROP COLUMN result_default;";
                let sql = AssertSqlSafe(format!("{sql}{undo}"));
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
            }
            None => {
                let url = format!("sqlite:{}", site.path().join("data/platform.db").display());
                let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
                let undo = "DROP INDEX audit_device; DROP TABLE contact; DROP TABLE refused; DROP TABLE feed;
                    ALTER TABLE device DROP COLUMN name; ALTER TABLE device DROP COLUMN ward;
                    ALTER TABLE device DROP COLUMN model; ALTER TABLE device DROP COLUMN serial;
                    ALTER TABLE device DROP COLUMN owner;
                    DROP INDEX audit_event; DROP INDEX audit_other; DROP TABLE milestone; DROP TABLE notification; DROP TABLE notified; DROP TABLE patient_key; DROP TABLE message_key; DROP TABLE forward; DROP TABLE relayed_order; DROP TABLE fhir_leader; DROP TABLE fhir_position; DROP TABLE fhir_resource; DROP TABLE fhir_group; DROP TABLE fhir_key; DROP TABLE fhir_version; DROP TABLE fhir_removed; DROP TABLE fhir_link; DROP TABLE subscription; DROP TABLE subscription_position; DROP TABLE partner_notification; DROP TABLE partner_credential; DROP TABLE organisation; DROP TABLE api_client; DROP TABLE api_certificate; DROP TABLE api_secret; DROP TABLE api_revision; DROP TABLE enrolment; DROP TABLE api_token; DROP TABLE api_jti; DROP TABLE api_registration; DROP TABLE api_authorization; DROP TABLE api_removed; DROP TABLE message_volume; DROP TABLE unfit_certificate; ALTER TABLE outbox DROP COLUMN reason;
                    DROP TABLE envelope; DROP TABLE reconsidered; DROP INDEX message_rejection; DROP INDEX message_rejected_control_id;
                    DROP TABLE confirmed_clock; DROP INDEX outbox_answered;
                    ALTER TABLE outbox DROP COLUMN claimed_process;
                    ALTER TABLE device DROP COLUMN issuers; ALTER TABLE device DROP COLUMN silent_after;
                    ALTER TABLE device DROP COLUMN learn_until;
                    ALTER TABLE device DROP COLUMN expected; ALTER TABLE device DROP COLUMN receives_orders;";
                let sql = AssertSqlSafe(format!("{sql}{undo}"));
                sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
                connection.close().await.unwrap();
            }
        }
    });
}

/// The migrations that [`make_outdated`] takes back.
fn newer() -> Vec<i64> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/sqlite");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
    let number = |name: std::ffi::OsString| name.to_str()?.split_once('_')?.0.parse().ok();
    let mut numbers: Vec<i64> = names.filter_map(number).filter(|number| *number >= 60).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn no_command_creates_a_store_except_migrate_and_serve() {
    let site = empty_site();
    let cli = Cli::without_store(&site);
    let before = files(site.path());
    for words in COMMANDS {
        let (status, stdout, stderr) = cli.try_run(words);
        assert_eq!(files(site.path()), before, "{words:?}");
        if words.contains(&"--dry-run") {
            assert!(status.success() && stdout.contains("creates an empty store"), "{stdout}{stderr}");
            continue;
        }
        assert_eq!(status.code(), Some(78), "{words:?}: {stdout}{stderr}");
        assert!(stderr.contains("no store at") && stderr.contains("pcd-platform store migrate"), "{stderr}");
    }
    let (status, stdout, stderr) = cli.try_run(&["check"]);
    assert_eq!(files(site.path()), before, "check");
    assert_eq!(status.code(), Some(0), "{stdout}{stderr}");
    assert!(stdout.contains("warning  store: there is no store yet"), "{stdout}");

    // The way to the first device before the first start.
    let created = cli.json(&["store", "migrate"]);
    assert_eq!((&created[0]["creates"], &created[0]["from"]), (&true.into(), &0.into()));
    cli.run(&["device", "add", NAME]);
    let platform = site.start();
    eventually("the device is known", || platform.metric("pcd_directory_devices") == 1.0);
    assert!(cli.run(&["store", "migrate"]).contains("up to date"));
}

#[test]
fn an_empty_database_on_a_server_is_no_store_either() {
    let site = Site::on_postgres();
    let cli = Cli::without_store(&site);
    for words in COMMANDS.into_iter().filter(|words| !words.contains(&"--dry-run")) {
        let (status, stdout, stderr) = cli.try_run(words);
        assert_eq!(status.code(), Some(78), "{words:?}: {stdout}{stderr}");
        assert!(stderr.contains("no store at") && stderr.contains("pcd-platform store migrate"), "{stderr}");
    }
    assert!(cli.run(&["check"]).contains("warning  store: there is no store yet"));
    let database = site.database().unwrap();
    let name = database.rsplit('/').next().unwrap();
    let tables = cluster::shared().sql(name, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'");
    assert_eq!(tables.trim(), "0");
    cli.run(&["store", "migrate"]);
    cli.run(&["device", "add", NAME]);
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let sql = "CREATE TABLE visit (id integer); INSERT INTO visit VALUES (7)";
    let (on_file, on_server) = (empty_site(), Site::on_postgres());
    let file = on_file.path().join("data/platform.db");
    std::fs::create_dir(on_file.path().join("data")).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite:{}?mode=rwc", file.display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let mut connection = sqlx::PgConnection::connect(&on_server.database().unwrap()).await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
    });
    let before = std::fs::read(&file).unwrap();
    for site in [&on_file, &on_server] {
        let cli = Cli::without_store(site);
        let commands: [&[&str]; 4] =
            [&["serve"], &["store", "migrate"], &["store", "migrate", "--dry-run"], &["device", "list"]];
        for words in commands {
            let (status, stdout, stderr) = cli.try_run(words);
            assert_eq!(status.code(), Some(78), "{words:?}: {stdout}{stderr}");
            assert!(stderr.contains("is a database of another program"), "{words:?}: {stderr}");
        }
        let (status, stdout, _) = cli.try_run(&["check"]);
        assert!(!status.success() && stdout.contains("is a database of another program"), "{stdout}");
    }
    assert_eq!(std::fs::read(&file).unwrap(), before, "not one byte differs");
    let database = on_server.database().unwrap();
    let name = database.rsplit('/').next().unwrap();
    let tables = cluster::shared()
        .sql(name, "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'");
    assert_eq!(tables.trim(), "visit");
}

#[test]
fn an_outdated_store_is_left_as_it_is_until_it_is_migrated() {
    for site in [empty_site(), Site::on_postgres()] {
        let cli = Cli::without_store(&site);
        cli.run(&["store", "migrate"]);
        cli.run(&["device", "add", NAME]);
        make_outdated(&site);
        let before = applied(&site);
        assert_eq!(before.last(), Some(&50));
        // A file can be copied before it is migrated, by the new version as well.
        let is_refused = |words: &&[&str]| {
            !words.contains(&"--dry-run") && (site.database().is_some() || !words.contains(&"backup"))
        };
        for words in COMMANDS.into_iter().filter(is_refused) {
            let (status, stdout, stderr) = cli.try_run(words);
            assert_eq!(status.code(), Some(78), "{words:?}: {stdout}{stderr}");
            assert!(
                stderr.contains("migration 50") && stderr.contains("pcd-platform store migrate"),
                "{stderr}"
            );
        }
        let (status, stdout, _) = cli.try_run(&["check"]);
        assert_eq!(status.code(), Some(0), "{stdout}");
        assert!(stdout.contains("warning  store: ") && stdout.contains("50"), "{stdout}");
        let planned = cli.json(&["store", "migrate", "--dry-run"]);
        let migrations = planned[0]["migrations"].as_array().unwrap().iter();
        let numbers: Vec<_> = migrations.map(|one| one["number"].as_i64().unwrap()).collect();
        assert_eq!((&planned[0]["from"], numbers), (&50.into(), newer()));
        assert_eq!(planned[0]["rows"], 1);
        assert_eq!(applied(&site), before, "nothing has changed");

        // A store beyond the limits is left alone by `serve`, until the operator says so.
        let large = site.with("store", "max-migration-rows = 0");
        let (status, stdout, stderr) = Cli::without_store(&large).try_run(&["serve"]);
        assert_eq!(status.code(), Some(78), "{stdout}{stderr}");
        assert!(stderr.contains("store migrate") && stderr.contains("--migrate"), "{stderr}");
        assert!(stderr.contains("which take less than a second: "), "{stderr}");
        assert_eq!(applied(&large), before);
        let done = Cli::without_store(&large).json(&["store", "migrate"]);
        assert_eq!((&done[0]["from"], done[0]["to"].as_i64()), (&50.into(), newer().last().copied()));
        assert_eq!(applied(&large).last(), newer().last());
        let platform = large.start();
        eventually("the device is known", || platform.metric("pcd_directory_devices") == 1.0);
    }
}

#[test]
fn a_file_is_copied_as_it_is_before_the_new_version_migrates_it() {
    let site = empty_site();
    let cli = Cli::without_store(&site);
    cli.run(&["store", "migrate"]);
    cli.run(&["device", "add", NAME]);
    make_outdated(&site);
    let copy = site.path().join("before.db");
    let printed = cli.run(&["store", "backup", copy.to_str().unwrap()]);
    assert!(printed.contains("schema of the earlier version"), "{printed}");
    assert_eq!(applied(&site).last(), Some(&50), "the store is as it was");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    cli.run(&["store", "migrate"]);

    // Back: the copy in place of the store is the store of before.
    let folder = site.path().join("data");
    for file in ["platform.db", "platform.db-wal", "platform.db-shm"] {
        let _ = std::fs::remove_file(folder.join(file));
    }
    std::fs::copy(&copy, folder.join("platform.db")).unwrap();
    assert_eq!(applied(&site).last(), Some(&50));
    cli.run(&["store", "migrate"]);
    assert!(cli.run(&["device", "list"]).contains(NAME));
}

#[test]
fn serve_migrates_a_store_within_the_limits_by_itself() {
    let site = empty_site().with("store", "max-migration-rows = 0");
    let cli = Cli::without_store(&site);
    cli.run(&["store", "migrate"]);
    cli.run(&["device", "add", NAME]);
    make_outdated(&site);
    let site = site.with("store", "max-migration-rows = 10");
    drop(site.start());
    assert_eq!(applied(&site).last(), newer().last());
}

#[test]
fn a_store_of_a_later_version_is_refused_by_every_command() {
    let site = empty_site();
    let cli = Cli::without_store(&site);
    cli.run(&["store", "migrate"]);
    let later = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', TRUE, x'00', 0)";
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("sqlite:{}", site.path().join("data/platform.db").display());
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::raw_sql(later).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    });
    for words in [&["message", "list"][..], &["serve"], &["serve", "--migrate"], &["store", "migrate"]] {
        let (status, stdout, stderr) = cli.try_run(words);
        assert_eq!(status.code(), Some(78), "{words:?}: {stdout}{stderr}");
        assert!(stderr.contains("9999") && stderr.contains("later version"), "{stderr}");
    }
    let (status, stdout, _) = cli.try_run(&["check"]);
    assert!(status.code() == Some(1) && stdout.contains("9999"), "{stdout}");
}

/// A user that is neither root nor the owner of what a test makes.
const STRANGER: u32 = 65534;

/// The name of that user on this machine.
fn stranger() -> String {
    let users = std::fs::read_to_string("/etc/passwd").unwrap();
    let id = STRANGER.to_string();
    let name = users
        .lines()
        .find(|line| line.split(':').nth(2) == Some(&id))
        .and_then(|line| line.split(':').next());
    name.unwrap_or(&id).to_owned()
}

/// Runs a command as another user; only root can.
fn as_stranger(site: &Site, words: &[&str]) -> (Option<i32>, String, String) {
    let output = binary()
        .args(words)
        .env("PCD_CONFIG", site.path().join("platform.toml"))
        .uid(STRANGER)
        .gid(STRANGER)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_file_of_another_owner_is_named_with_its_owner() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = empty_site();
    let cli = Cli::without_store(&site);
    cli.run(&["store", "migrate"]);
    let data = site.path().join("data");
    let database = data.join("platform.db");
    assert_eq!(std::fs::metadata(&database).unwrap().uid(), 0);
    // The folder is the service's, the file is root's: what `sudo` leaves behind.
    std::fs::set_permissions(site.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::chown(&data, Some(STRANGER), Some(STRANGER)).unwrap();
    let name = database.display().to_string();
    for words in [&["message", "list"][..], &["device", "add", NAME]] {
        let (exit, stdout, stderr) = as_stranger(&site, words);
        assert_eq!(exit, Some(69), "{words:?}: {stdout}{stderr}");
        for part in [&*name, "belongs to root", "mode 0600", &stranger()] {
            assert!(stderr.contains(part), "{part}: {stderr}");
        }
    }
}

/// The owners of all that is below `folder`.
fn owners(folder: &Path) -> BTreeMap<PathBuf, u32> {
    let owner = |path: PathBuf| (path.clone(), path.symlink_metadata().unwrap().uid());
    files(folder).into_keys().map(owner).collect()
}

#[test]
fn the_service_can_use_what_root_has_created_in_its_folder() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for first in [&["store", "migrate"][..], &["serve"]] {
        let site = empty_site();
        let cli = Cli::without_store(&site);
        std::fs::set_permissions(site.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = site.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::chown(&data, Some(STRANGER), Some(STRANGER)).unwrap();
        if first == ["serve"] {
            drop(site.start());
        } else {
            cli.run(first);
        }
        let owners = owners(&data);
        assert!(owners.len() > 1 && owners.values().all(|owner| *owner == STRANGER), "{first:?}: {owners:?}");
        let (exit, stdout, stderr) = as_stranger(&site, &["device", "add", NAME]);
        assert_eq!(exit, Some(0), "{first:?}: {stdout}{stderr}");
    }
}

#[test]
fn the_advice_is_to_create_the_missing_folder_and_not_to_give_away_the_site() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = empty_site().with("store", "url = \"sqlite:config/../data/platform.db\"");
    site.write_configuration();
    std::fs::create_dir(site.path().join("config")).unwrap();
    std::fs::set_permissions(site.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for words in [&["store", "migrate"][..], &["check"]] {
        let (exit, stdout, stderr) = as_stranger(&site, words);
        let text = format!("{stdout}{stderr}");
        assert!(exit != Some(0), "{words:?}: {text}");
        let folder = site.path().canonicalize().unwrap().join("data");
        let advice = format!("create the folder {} and give it to {}", folder.display(), stranger());
        assert!(text.contains(&advice), "{words:?}: {text}");
        assert!(!text.contains("chown") && !text.contains(".."), "{words:?}: {text}");
    }
}

#[test]
fn check_reports_every_fault_and_changes_nothing() {
    let site = empty_site()
        .with("tls", "ecc = { chain = \"missing.pem\", key = \"missing.key\" }")
        .with("revocation", "installed-crls = [\"no-crls\"]");
    let cli = Cli::without_store(&site);
    std::fs::create_dir(site.path().join("data")).unwrap();
    std::fs::write(site.path().join("data/platform.db"), [b'x'; 4096]).unwrap();
    let before = files(site.path());
    let (status, stdout, stderr) = cli.try_run(&["--json", "check"]);
    assert_eq!(status.code(), Some(1), "{stdout}{stderr}");
    let findings: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let errors: Vec<_> = findings.iter().filter(|one| one["level"] == "error").collect();
    for (what, part) in
        [("identities and roots", "missing.pem"), ("revocation", "no-crls"), ("store", "platform.db")]
    {
        assert!(
            errors.iter().any(|one| one["what"] == what && one["detail"].as_str().unwrap().contains(part)),
            "{what}: {errors:?}"
        );
    }
    assert_eq!(files(site.path()), before);
}

/// The findings of `check` in JSON, and its exit code.
fn findings(site: &Site) -> (Option<i32>, Vec<Value>) {
    let (status, stdout, _) = Cli::without_store(site).try_run(&["--json", "check"]);
    (status.code(), stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn has_error(found: &[Value], what: &str, part: &str) -> bool {
    let detail = |one: &Value| one["detail"].as_str().unwrap().contains(part);
    found.iter().any(|one| one["level"] == "error" && one["what"] == what && detail(one))
}

#[test]
fn check_reports_an_expired_installed_crl() {
    let site = empty_site();
    let past = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(40 * 24);
    let folder = site.path().join("old");
    TestPki::init(&folder, "http://127.0.0.1:1", &Clock::manual(past)).unwrap();
    let site = site.with("revocation", &format!("installed-crls = [{:?}]", folder.join("crl")));
    site.write_configuration();
    let (exit, found) = findings(&site);
    assert_eq!(exit, Some(1), "{found:?}");
    assert!(has_error(&found, "revocation", "expired at"), "{found:?}");
    assert!(
        has_error(&found, "revocation", "devices of the issuer are refused unless OCSP answers"),
        "{found:?}"
    );
}

#[test]
fn check_reports_a_faulty_configuration_as_json() {
    let site = empty_site()
        .with("interface-a", "handshake-timeout = \"3s\"")
        .with("admin", "listen = \"192.0.2.1:80\"");
    site.write_configuration();
    let (exit, found) = findings(&site);
    assert_eq!((exit, found.len()), (Some(78), 2), "{found:?}");
    assert!(has_error(&found, "configuration", "revocation.deadline"), "{found:?}");
    assert!(has_error(&found, "configuration", "admin.listen"), "{found:?}");
}

#[test]
fn check_reports_folders_that_serve_cannot_create() {
    let site = empty_site()
        .with("store", "url = \"sqlite:/proc/pcd/platform.db\"")
        .with("revocation", "directory = \"platform.toml/revocation\"");
    site.write_configuration();
    let (exit, found) = findings(&site);
    assert_eq!(exit, Some(1), "{found:?}");
    assert!(has_error(&found, "store", "cannot be used"), "{found:?}");
    assert!(has_error(&found, "revocation", "platform.toml is not a folder"), "{found:?}");
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let site = empty_site();
    std::fs::create_dir(site.path().join("data")).unwrap();
    std::fs::write(site.path().join("data/platform.db"), [b'x'; 4096]).unwrap();
    let (_, _, stderr) = Cli::without_store(&site).try_run(&["message", "list"]);
    assert!(stderr.contains("platform.db is not an SQLite database"), "{stderr}");
}
