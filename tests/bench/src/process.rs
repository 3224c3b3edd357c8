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
    process.map_or(0, resident) / 1024
}

/// Memory and descriptors of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resources {
    /// Resident memory in kB.
    pub(crate) memory: u64,
    /// Open file descriptors.
    pub(crate) descriptors: u64,
}

/// Resources of a running process.
pub(crate) fn resources(process: u32) -> Resources {
    let descriptors = std::fs::read_dir(format!("/proc/{process}/fd")).map_or(0, Iterator::count);
    Resources { memory: resident(process), descriptors: descriptors as u64 }
}

/// Resident memory of a process, in kB.
pub(crate) fn resident(process: u32) -> u64 {
    status(process, "VmRSS")
}

/// Resident memory of a process that no file backs, in kB: without the code of programs and compiled tools.
pub(crate) fn anonymous(process: u32) -> u64 {
    status(process, "RssAnon")
}

/// Highest resident memory of a process since [`reset_high_water`], in kB.
pub(crate) fn high_water(process: u32) -> u64 {
    status(process, "VmHWM")
}

/// Makes the current resident memory of a process its highest.
pub(crate) fn reset_high_water(process: u32) -> std::io::Result<()> {
    std::fs::write(format!("/proc/{process}/clear_refs"), "5")
}

/// A figure of `/proc/…/status`, in kB.
fn status(process: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or(0)
}
