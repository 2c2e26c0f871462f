//! Measures callboard beside its rivals, and writes what came of it: results, plots and text.

mod about;
mod bars;
mod figures;
mod losses;
mod measure;
mod number;
mod options;
mod plot;
mod point;
mod profile;
mod record;
mod render;
mod systems;

use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;

use self::options::{Options, Task};
use self::profile::Profiles;
use self::record::Comparison;
use self::render::Material;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    if let Err(text) = Options::parse(&words).and_then(|options| compare(&options)) {
        eprintln!("{text}");
        std::process::exit(2);
    }
}

fn compare(options: &Options) -> Result<(), String> {
    let results = options.output.join("results/comparison.json");
    let comparison = if options.task == Task::Measure {
        let comparison = measure::measure(options);
        write(&results, &comparison.to_json().map_err(|error| at(&results, &error))?)?;
        comparison
    } else {
        read(&results)?
    };
    let results = options.output.join("results/profile.json");
    let profiles = if options.task == Task::Render {
        read_if_there(&results)?
    } else {
        let profiles = profile::take(options, &comparison);
        write(&results, &profiles.to_json().map_err(|error| at(&results, &error))?)?;
        profiles
    };
    publish(options, &comparison, &profiles)
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let text = fs::read_to_string(path).map_err(|error| at(path, &error))?;
    serde_json::from_str(&text).map_err(|error| at(path, &error))
}

/// Those that were compared before there were profiles have no such file.
fn read_if_there<T: DeserializeOwned + Default>(path: &Path) -> Result<T, String> {
    if path.exists() { read(path) } else { Ok(T::default()) }
}

/// Writes plots and text.
fn publish(options: &Options, comparison: &Comparison, profiles: &Profiles) -> Result<(), String> {
    let figures = figures::read(&options.home.join("results"));
    let mut plots = Vec::new();
    for plot in plot::all(comparison, &figures) {
        let path = options.output.join("plots").join(&plot.file);
        write(&path, &plot.draw().map_err(|error| at(&path, &error))?)?;
        plots.push((plot.title, plot.file));
    }
    let notes = fs::read_to_string(options.home.join("notes.md")).unwrap_or_default();
    let material =
        Material { comparison, figures: &figures, profiles, notes: &notes, plots: &plots };
    let path = options.output.join("README.md");
    write(&path, &render::render(&material))?;
    println!("{}", path.display());
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| at(folder, &error))?;
    }
    fs::write(path, text).map_err(|error| at(path, &error))
}

fn at(path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_nothing_and_what_cannot_be_read_is_a_mistake() {
        let path = std::env::temp_dir().join(format!("callboard-{}.json", std::process::id()));
        assert_eq!(read_if_there(&path), Ok(Profiles::default()));
        fs::write(&path, "{\"other\": 1}").unwrap();
        let read = read_if_there::<Profiles>(&path);
        fs::remove_file(&path).unwrap();
        let error = read.unwrap_err();
        assert!(error.contains("missing field") && error.contains(".json"), "{error}");
    }
}
