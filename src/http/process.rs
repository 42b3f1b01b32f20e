//! What the operating system says of this process, for the metrics. What it does not say is not told.

use std::time::Duration;

/// Memory, files and time of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Memory that it takes, in bytes.
    pub resident: Option<u64>,
    /// Addresses that it has taken, in bytes.
    pub addresses: Option<u64>,
    /// Files, sockets among them, that are open.
    pub open_files: Option<u64>,
    /// How many may be.
    pub most_files: Option<u64>,
    /// What it took of the processors.
    pub cpu: Duration,
}

impl Process {
    /// As it is now.
    pub fn read() -> Self {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
        let mut bytes = pages.split(' ').map(|pages| pages.parse::<u64>().ok()?.checked_mul(rustix::param::page_size() as u64));
        let (addresses, resident) = (bytes.next().flatten(), bytes.next().flatten());
        // The folder that is being read is one of them.
        let open_files = std::fs::read_dir("/proc/self/fd").ok().map(|files| files.count().saturating_sub(1) as u64);
        let most_files = rlimit::Resource::NOFILE.get_soft().ok();
        let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        let cpu = Duration::new(u64::try_from(cpu.tv_sec).unwrap_or(0), u32::try_from(cpu.tv_nsec).unwrap_or(0));
        Self { resident, addresses, open_files, most_files, cpu }
    }
}
