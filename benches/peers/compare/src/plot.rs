//! Which plots there are, and what is in them. Pure.

mod draw;

use callboard_benches::figure::Figure;
use callboard_benches::worker::Shape;

use crate::point::{BODIES, DOOR, IN_FLIGHT, OFFERED, Point, STREAMS, SUBSCRIBERS, WAYS, way_name};
use crate::record::{Comparison, Metric};
use crate::systems::SYSTEMS;

/// A plot with logarithmic axes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plot {
    pub(crate) title: String,
    /// The file's name.
    pub(crate) file: String,
    x: String,
    y: String,
    lines: Vec<Line>,
}

/// One line of a plot.
#[derive(Debug, Clone, PartialEq)]
struct Line {
    name: String,
    /// Of the colours; the same for the same system in all plots.
    colour: usize,
    points: Vec<(f64, f64)>,
}

/// All plots that have anything to show.
pub(crate) fn all(comparison: &Comparison, figures: &[Figure]) -> Vec<Plot> {
    let mut plots = vec![
        throughput(comparison),
        processor_time(comparison),
        offered(comparison, Metric::P50),
        offered(comparison, Metric::P99),
        bodies(comparison),
    ];
    plots.extend(WAYS.map(|way| streams(comparison, way)));
    plots.extend([publish(comparison), door(comparison)]);
    plots.extend(growth(figures));
    plots.retain(|plot| !plot.lines.is_empty());
    plots
}

fn throughput(comparison: &Comparison) -> Plot {
    Plot {
        title: "Throughput over calls in flight".into(),
        file: "throughput.svg".into(),
        x: "calls in flight".into(),
        y: "calls per second".into(),
        lines: lines_over(comparison, &IN_FLIGHT, Point::InFlight, Metric::Rate),
    }
}

fn processor_time(comparison: &Comparison) -> Plot {
    Plot {
        title: "Processor time per call, client and server together".into(),
        file: "cpu.svg".into(),
        x: "calls in flight".into(),
        y: "µs per call".into(),
        lines: lines_over(comparison, &IN_FLIGHT, Point::InFlight, Metric::Cpu),
    }
}

fn offered(comparison: &Comparison, metric: Metric) -> Plot {
    let at = |system: &str, percent: u32| {
        let point = Point::Offered(percent);
        let rate = median(comparison, system, point, Metric::Rate)?;
        Some((rate, median(comparison, system, point, metric)?))
    };
    let name = metric.name();
    Plot {
        title: format!("Latency at offered rates: {name} at 20, 50 and 80 % of the own peak"),
        file: format!("offered-{name}.svg"),
        x: "calls per second".into(),
        y: format!("{name} in µs"),
        lines: lines(|system| OFFERED.iter().filter_map(|it| at(system, *it)).collect()),
    }
}

fn bodies(comparison: &Comparison) -> Plot {
    let at = |system: &str, point: Point, size: usize| {
        let bytes = median(comparison, system, point, Metric::Bytes)?;
        Some((size as f64, bytes / 1e6))
    };
    Plot {
        title: "Bytes over the size of the body, 16 calls in flight".into(),
        file: "bodies.svg".into(),
        x: "bytes of body".into(),
        y: "MB/s each way".into(),
        lines: lines(|system| {
            let small = at(system, Point::InFlight(16), 100);
            let large = BODIES.iter().filter_map(|size| at(system, Point::Body(*size), *size));
            small.into_iter().chain(large).collect()
        }),
    }
}

fn streams(comparison: &Comparison, way: Shape) -> Plot {
    Plot {
        title: format!("Messages over streams {}", way_name(way)),
        file: format!("{way}.svg"),
        x: "streams over one connection".into(),
        y: "messages per second".into(),
        lines: lines_over(comparison, &STREAMS, |count| Point::Stream(way, count), Metric::Rate),
    }
}

fn publish(comparison: &Comparison) -> Plot {
    Plot {
        title: "Deliveries over subscribers".into(),
        file: "publish.svg".into(),
        x: "subscribers".into(),
        y: "deliveries per second".into(),
        lines: lines_over(comparison, &SUBSCRIBERS, Point::Publish, Metric::Rate),
    }
}

fn door(comparison: &Comparison) -> Plot {
    Plot {
        title: "JSON over HTTP/1.1".into(),
        file: "http.svg".into(),
        x: "connections, one call on each".into(),
        y: "requests per second".into(),
        lines: lines_over(comparison, &DOOR, Point::Door, Metric::Rate),
    }
}

fn median(comparison: &Comparison, system: &str, point: Point, metric: Metric) -> Option<f64> {
    let median = comparison.spread(system, point, metric)?.median;
    (median > 0.0).then_some(median)
}

/// A line for each system over so many of something.
fn lines_over(
    comparison: &Comparison,
    counts: &[usize],
    point: impl Fn(usize) -> Point,
    metric: Metric,
) -> Vec<Line> {
    let at = |system: &str, count: usize| {
        Some((count as f64, median(comparison, system, point(count), metric)?))
    };
    lines(|system| counts.iter().filter_map(|count| at(system, *count)).collect())
}

/// A line for each system that has two points at least.
fn lines(points: impl Fn(&str) -> Vec<(f64, f64)>) -> Vec<Line> {
    let all = SYSTEMS.iter().enumerate().map(|(colour, system)| Line {
        name: system.name.to_owned(),
        colour,
        points: points(system.name),
    });
    all.filter(|line| line.points.len() > 1).collect()
}

/// A plot for each group of figures in which something is measured at three sizes at least.
fn growth(figures: &[Figure]) -> Vec<Plot> {
    let mut plots: Vec<Plot> = Vec::new();
    for figure in figures.iter().filter(|figure| figure.parameter > 0 && figure.value > 0.0) {
        let Figure { group, name, varied, unit, .. } = figure;
        let title = format!("{group}, {unit}");
        let index = plots.iter().position(|plot| plot.title == title).unwrap_or_else(|| {
            let file = format!("{}.svg", slug(&title));
            plots.push(Plot { title, file, x: varied.clone(), y: unit.clone(), lines: Vec::new() });
            plots.len() - 1
        });
        let lines = &mut plots[index].lines;
        let line = lines.iter().position(|line| line.name == *name).unwrap_or_else(|| {
            let colour = lines.len();
            lines.push(Line { name: name.clone(), colour, points: Vec::new() });
            colour
        });
        lines[line].points.push((figure.parameter as f64, figure.value));
    }
    plots.retain(|plot| plot.lines.iter().any(|line| line.points.len() > 2));
    plots
}

/// A text as the name of a file.
fn slug(text: &str) -> String {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-").to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::tests::comparison;

    #[test]
    fn systems_without_figures_have_no_line() {
        let mut this = comparison(Point::InFlight(1), &[("floor", &[10.0]), ("tonic", &[1.0])]);
        this.runs.extend(comparison(Point::InFlight(16), &[("floor", &[100.0])]).runs);
        let plots = all(&this, &[]);
        assert_eq!(plots.len(), 1);
        assert_eq!(plots[0].lines.len(), 1);
        assert_eq!(plots[0].lines[0].points, [(1.0, 10.0), (16.0, 100.0)]);
        let svg = plots[0].draw().unwrap();
        assert!(svg.contains("Throughput over calls in flight") && svg.contains("floor"));
    }

    #[test]
    fn streams_topics_and_the_door_have_plots() {
        for (points, file) in [
            ([Point::Stream(Shape::Down, 1), Point::Stream(Shape::Down, 8)], "stream-down.svg"),
            ([Point::Stream(Shape::Both, 1), Point::Stream(Shape::Both, 8)], "stream-both.svg"),
            ([Point::Publish(1), Point::Publish(64)], "publish.svg"),
            ([Point::Door(1), Point::Door(64)], "http.svg"),
        ] {
            let mut this = comparison(points[0], &[("callboard", &[10.0])]);
            this.runs.extend(comparison(points[1], &[("callboard", &[20.0])]).runs);
            let plots = all(&this, &[]);
            assert_eq!((plots.len(), plots[0].file.as_str()), (1, file));
            assert_eq!(plots[0].lines[0].points.len(), 2);
        }
    }

    #[test]
    fn growth_is_plotted_by_group_and_unit() {
        let figure = |group: &str, nodes: u64| {
            Figure::new(group, "random", ("nodes", nodes)).value(20.0, "ns")
        };
        let figures = [
            figure("picks", 10),
            figure("picks", 1000),
            figure("picks", 10_000),
            figure("updates", 10),
        ];
        let plots = growth(&figures);
        assert_eq!(plots.len(), 1);
        assert_eq!((plots[0].file.as_str(), plots[0].x.as_str()), ("picks-ns.svg", "nodes"));
        assert!(plots[0].draw().is_ok());
    }
}
