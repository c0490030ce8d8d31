//! `[preset] [threads]` of an example's command line.

use girih_bootstrap::Preset;

/// What an example ends with.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Runs on a preset, `fast` by default, in a pool of so many threads, 1 by default; the further arguments are handed on.
pub(crate) fn on_preset(run: impl FnOnce(Preset, &[String]) -> Outcome<()> + Send) -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("fast", String::as_str);
    let threads = arguments.get(1).map_or(Ok(1), |a| a.parse())?;
    let preset = Preset::by_name(name)?.ok_or_else(|| format!("no preset {name:?}"))?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()?
        .install(|| run(preset, arguments.get(2..).unwrap_or_default()))
}
