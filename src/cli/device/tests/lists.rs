//! Lists of identities, as commands and files give them.

use super::*;

async fn list(store: &Store, cn: &str) -> Vec<String> {
    let entry = store.device(&cn.parse().unwrap()).await.unwrap().unwrap();
    entry.speaks_for.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn commas_separate_identities_on_the_command_line_and_in_a_file_alike() {
    let place = TestStore::new();
    let store = place.open().await;
    device(&store, &["add", "GW", "--speaks-for", "A1,A2", "--speaks-for", "A3; 00A037*"]).await.unwrap();
    assert_eq!(list(&store, "GW").await, ["A1", "A2", "A3", "00A037*"]);
    device(&store, &["change", "GW", "--speaks-for", r"Bed 3\, left,A1"]).await.unwrap();
    assert_eq!(list(&store, "GW").await, ["Bed 3, left", "A1"]);
    assert!(parse_command::<Command>("device", &["add", "X", "--speaks-for", "A1,*"]).is_err());
    assert!(parse_command::<Command>("device", &["add", "X", "--speaks-for", ","]).is_err());

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("devices.csv");
    fs::write(&file, "cn,speaks-for\nB,\"A4,A5\"\nC,A6;A7\nD,A8|A9\nE,\"Bed 3\\, left\"\n").unwrap();
    device(&store, &["import", file.to_str().unwrap()]).await.unwrap();
    for (cn, expected) in
        [("B", &["A4", "A5"][..]), ("C", &["A6", "A7"]), ("D", &["A8", "A9"]), ("E", &["Bed 3, left"])]
    {
        assert_eq!(list(&store, cn).await, expected, "{cn}");
    }
}
