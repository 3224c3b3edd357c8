//! Resources of a running process, from `/proc`.

/// CPU time of a process in ms, in clock ticks of 10 ms.
pub(crate) fn cpu_ms(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) * 10.0
}

/// Resident memory of a process, in MB.
pub(crate) fn memory(process: Option<u32>) -> u64 {
    let status = process.map(|id| std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default());
    let line = status.as_deref().unwrap_or_default().lines().find(|line| line.starts_with("VmRSS"));
    let kib: u64 = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0);
    kib / 1024
}
