pub(crate) fn main(_arguments: &[String]) -> std::process::ExitCode {
    std::process::ExitCode::FAILURE
}
