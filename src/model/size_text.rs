//! Numbers of bytes as people read them.

/// A number of bytes with two digits at least, in the units of the configuration (KiB, MiB, GiB): `4.2 GiB`.
/// Commands, pages, findings and the log write all sizes so.
#[must_use]
pub fn size_text(bytes: u64) -> String {
    let mut unit = 1_u64;
    for name in ["bytes", "KiB", "MiB", "GiB"] {
        if bytes < unit.saturating_mul(1024) {
            let tenths = bytes.saturating_mul(10) / unit;
            let is_small = unit > 1 && tenths < 100;
            let fraction = if is_small { format!(".{}", tenths % 10) } else { String::new() };
            return format!("{}{fraction} {name}", tenths / 10);
        }
        unit = unit.saturating_mul(1024);
    }
    format!("{}.{} TiB", bytes / unit, bytes / (unit / 10) % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        const GIB: u64 = 1 << 30;
        let shown = [0, 1023, 1024, 1536, 10 << 20, 212 * GIB, 2560 * GIB].map(size_text);
        assert_eq!(shown, ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 KiB", "10 MiB", "212 GiB", "2.5 TiB"]);
    }
}
