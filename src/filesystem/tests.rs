//! Tests of creation and access. Those that need another owner run as root only.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;

use super::*;

const SERVICE: u32 = 65534;

fn owner(path: &Path) -> (u32, u32) {
    let metadata = fs::metadata(path).unwrap();
    (metadata.uid(), metadata.gid())
}

#[test]
fn what_root_creates_in_a_folder_of_another_user_belongs_to_that_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let site = folder.path();
    chown(site, Some(SERVICE), Some(SERVICE - 1)).unwrap();
    create_folder(&site.join("data/revocation/ocsp"), 0o700).unwrap();
    let file = site.join("data/new");
    drop(open_or_create(&file, File::options().write(true).create(true)).unwrap());
    for made in ["data", "data/revocation", "data/revocation/ocsp", "data/new"] {
        assert_eq!(owner(&site.join(made)), (SERVICE, SERVICE - 1), "{made}");
    }
    assert_eq!(fs::metadata(site.join("data")).unwrap().mode() & 0o777, 0o700);

    // A file that exists keeps its owner: the owner of the folder may have made it a link to root's file.
    let (victim, link) = (folder.path().join("victim"), site.join("data/link"));
    fs::write(&victim, b"").unwrap();
    symlink(&victim, &link).unwrap();
    drop(open_or_create(&link, File::options().write(true).create(true)).unwrap());
    assert_eq!(owner(&victim), (0, 0));
}

#[test]
fn a_folder_of_root_stays_with_root() {
    let folder = tempfile::tempdir().unwrap();
    create_folder(&folder.path().join("data"), 0o700).unwrap();
    assert_eq!(owner(&folder.path().join("data")), owner(folder.path()));
}

#[test]
fn a_place_that_cannot_hold_files_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let text = |path: &Path| folder_problem(path).map(|problem| problem.to_string()).unwrap_or_default();
    assert!(text(&file).ends_with("file is not a folder"), "{}", text(&file));
    assert!(text(&file.join("data/x")).ends_with("file is not a folder"));
    let kernel = text(Path::new("/proc/missing"));
    assert!(kernel.contains("holds no files"), "{kernel}");
    assert_eq!(text(&folder.path().join("missing/data")), "");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is created");
}

#[test]
fn the_advice_names_the_missing_folder_and_not_the_one_around_it() {
    if rustix::process::geteuid().is_root() {
        // Root may write everywhere; tests/it/store_opening.rs runs this as another user.
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    let text = folder_problem(&folder.path().join("config/../data")).unwrap().to_string();
    assert!(text.contains("create the folder") && !text.contains("chown") && !text.contains(".."), "{text}");
}
