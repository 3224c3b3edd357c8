pub(super) fn new(_: &str, _: crate::cli::Language) -> anyhow::Result<std::process::ExitCode> {
    todo!()
}
