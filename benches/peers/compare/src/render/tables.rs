//! The tables: a row for each system, a column for each workload.

use callboard_benches::meter::Untold;

use super::table;
use crate::number::{digits, short};
use crate::point::{
    BODIES, CONNECTIONS, DOOR, HALF, IN_FLIGHT, OFFERED, Point, STREAMS, SUBSCRIBERS, WAYS,
};
use crate::record::{Comparison, Metric, Spread};
use crate::systems::{AXUM, FLOOR, NATS_PUBLISH, PLAIN, SYSTEMS};

/// All tables.
pub(super) fn render(comparison: &Comparison) -> String {
    let in_flight: Vec<Point> = IN_FLIGHT.map(Point::InFlight).to_vec();
    let bodies: Vec<Point> = BODIES.map(Point::Body).to_vec();
    let mut offered: Vec<Point> = OFFERED.map(Point::Offered).to_vec();
    offered.push(Point::RealTime(HALF));
    let mut connections = vec![Point::InFlight(256)];
    connections.extend(CONNECTIONS.map(Point::Connections));
    let page = Page(comparison);
    [
        "## Calls in flight\n\nOne connection, bodies of 100 bytes, closed loop.\n\n".to_owned(),
        page.table("calls/s: median (least – most)", &in_flight, |cell| cell.spread(Metric::Rate)),
        page.table("calls/s, x floor", &in_flight, |cell| cell.ratio(FLOOR, Metric::Rate)),
        page.table("µs: p50 / p99 / p99.9", &in_flight, Cell::latency),
        page.table("p50, x floor", &in_flight, |cell| cell.ratio(FLOOR, Metric::P50)),
        page.table("CPU µs per call: client + server", &in_flight, Cell::cpu),
        page.table("CPU per call of both, x floor", &in_flight, |cell| {
            cell.ratio(FLOOR, Metric::Cpu)
        }),
        page.table("resident MiB, client and server together", &in_flight, |cell| {
            cell.median(Metric::Memory)
        }),
        "## Large bodies\n\nOne connection, 16 calls in flight.\n\n".to_owned(),
        page.table("MB/s each way: median (least – most)", &bodies, Cell::megabytes),
        page.table("MB/s, x plain", &bodies, |cell| cell.ratio(PLAIN, Metric::Bytes)),
        page.table("CPU µs per call: client + server", &bodies, Cell::cpu),
        page.table("resident MiB, client and server together", &bodies, |cell| {
            cell.median(Metric::Memory)
        }),
        "## Connections\n\n256 calls in flight, spread over the connections.\n\n".to_owned(),
        page.table("calls/s: median (least – most)", &connections, |cell| {
            cell.spread(Metric::Rate)
        }),
        page.table("calls/s, x floor", &connections, |cell| cell.ratio(FLOOR, Metric::Rate)),
        "## One-way\n\nOne connection; 256 messages without an answer, then a call that proves \
         their arrival, and again; two callers. Systems without such a message are left out.\n\n"
            .to_owned(),
        page.table("messages/s: median (least – most)", &[Point::OneWay], |cell| cell.spread(Metric::Rate)),
        page.table("messages/s, x floor", &[Point::OneWay], |cell| cell.ratio(FLOOR, Metric::Rate)),
        "## Latency at offered rates\n\nCalls begin at fixed times, at a share of the system's own \
         best rate of the same round; latency counts from when a call should have begun. With real-time \
         priority no other program has the processors meanwhile; such a run is shorter, as the kernel \
         bounds it. A stall makes all calls late that come due until it is caught up with, and so \
         decides a whole run's p99. A median window of 50 ms it does not decide, unless stalls are in \
         half of the windows: it is what happens in most windows, which says nothing about the \
         others. *Late* are windows whose p99 is above five p50s of the system's own median window, \
         whoever made it late, the system itself included; as that is another time for each system, \
         the shares of two systems cannot be compared. *Away* is the longest time in which the \
         client, which never sleeps, did not look at the clock. *Queue*: more calls have come due \
         than may be in flight, or half of the windows lack answers at the end.\n\n"
            .to_owned(),
        page.table("calls/s: median (least – most)", &offered, |cell| cell.spread(Metric::Rate)),
        page.table("µs: p50 / p99 / p99.9", &offered, Cell::latency),
        page.table("median window, µs: p50 / p99 (in p50s)", &offered, Cell::window),
        page.table("late windows, % / away, µs", &offered, Cell::stalls),
        streams(&page),
        publish(&page),
        door(&page),
    ]
    .concat()
}

fn streams(page: &Page<'_>) -> String {
    let points = WAYS.map(|way| STREAMS.map(|count| Point::Stream(way, count))).concat();
    section(
        "## Streams\n\nOne connection, messages of 128 bytes, as many as flow control allows. From \
         the client, each 256th message comes back before more are sent; both ways, each one does. \
         The floor's streams are frames with the same id, without any flow control but TCP's. \
         Systems without streams are left out.\n\n",
        &[
            page.table("messages/s: median (least – most)", &points, |cell| {
                cell.spread(Metric::Rate)
            }),
            page.table("messages/s, x floor", &points, |cell| cell.ratio(FLOOR, Metric::Rate)),
            page.table("CPU µs per message: client + server", &points, Cell::cpu),
            page.table("resident MiB, client and server together", &points, |cell| {
                cell.median(Metric::Memory)
            }),
        ],
    )
}

fn publish(page: &Page<'_>) -> String {
    let points = SUBSCRIBERS.map(Point::Publish);
    section(
        "## Publish and subscribe\n\nOne publisher, and subscribers that are together in another \
         process, each with a connection of its own; those of `callboard-memory` are in the \
         publisher's process. Events of 128 bytes, 256 under way. What counts is deliveries: events \
         times subscribers. **Acknowledged** is each event by each subscriber with `callboard`, \
         `callboard-memory` and `nats-acknowledged`; with `nats-publish` only the last of 128, by \
         which those before it have come. The nats-server is part of the side of the subscribers. \
         The other systems have no publish and subscribe.\n\n",
        &[
            page.table("deliveries/s: median (least – most)", &points, |cell| {
                cell.spread(Metric::Rate)
            }),
            page.table("deliveries/s, x nats-publish", &points, |cell| {
                cell.ratio(NATS_PUBLISH, Metric::Rate)
            }),
            page.table("CPU µs per delivery: publisher + subscribers", &points, Cell::cpu),
            page.table("resident MiB, both sides together", &points, |cell| {
                cell.median(Metric::Memory)
            }),
        ],
    )
}

fn door(page: &Page<'_>) -> String {
    let points = DOOR.map(Point::Door);
    section(
        "## JSON over HTTP/1.1\n\ncallboard's port, which speaks HTTP too, beside axum on hyper: the \
         same echo, the same client, one call on each connection. The client parses no more than it \
         must, so that the server is what is measured; the other tables have axum with hyper's \
         client.\n\n",
        &[
            page.table("requests/s: median (least – most)", &points, |cell| {
                cell.spread(Metric::Rate)
            }),
            page.table("requests/s, x axum", &points, |cell| cell.ratio(AXUM, Metric::Rate)),
            page.table("µs: p50 / p99 / p99.9", &points, Cell::latency),
            page.table("CPU µs per request: client + server", &points, Cell::cpu),
        ],
    )
}

/// Tables and what is said about them; nothing when there is nothing in them.
fn section(text: &str, tables: &[String]) -> String {
    let tables = tables.concat();
    if tables.is_empty() { tables } else { format!("{text}{tables}") }
}

struct Page<'a>(&'a Comparison);

/// What one system did with one workload.
struct Cell<'a> {
    comparison: &'a Comparison,
    system: &'static str,
    point: Point,
}

impl<'a> Page<'a> {
    /// A table; systems without any figure are left out, and it is, when all are.
    fn table(
        &self,
        title: &str,
        points: &[Point],
        text: impl Fn(&Cell<'a>) -> Option<String>,
    ) -> String {
        let mut head = vec![title.to_owned()];
        head.extend(points.iter().map(|point| match point {
            Point::InFlight(256) if points.contains(&Point::Connections(2)) => {
                Point::Connections(1).to_string()
            }
            point => point.to_string(),
        }));
        let mut rows = Vec::new();
        for system in SYSTEMS {
            let cell = |point: &Point| {
                text(&Cell { comparison: self.0, system: system.name, point: *point })
            };
            let cells: Vec<Option<String>> = points.iter().map(cell).collect();
            if cells.iter().any(Option::is_some) {
                let cells = cells.into_iter().map(|cell| cell.unwrap_or_else(|| "–".into()));
                rows.push(std::iter::once(system.name.to_owned()).chain(cells).collect());
            }
        }
        if rows.is_empty() { String::new() } else { table(&head, &rows) }
    }
}

impl Cell<'_> {
    fn figures(&self, metric: Metric) -> Option<Spread> {
        self.comparison.spread(self.system, self.point, metric)
    }

    fn median(&self, metric: Metric) -> Option<String> {
        self.figures(metric).map(|spread| digits(spread.median))
    }

    fn spread(&self, metric: Metric) -> Option<String> {
        let Spread { least, median, greatest } = self.figures(metric)?;
        Some(format!("{} ({} – {})", short(median), short(least), short(greatest)))
    }

    fn ratio(&self, other: &str, metric: Metric) -> Option<String> {
        self.comparison.ratio((self.system, other), self.point, metric).map(digits)
    }

    fn latency(&self) -> Option<String> {
        let [p50, p99, p999] = [Metric::P50, Metric::P99, Metric::P999].map(|it| self.median(it));
        Some(format!("{} / {} / {}", p50?, p99?, p999?))
    }

    fn window(&self) -> Option<String> {
        let metrics = [Metric::WindowP50, Metric::WindowP99, Metric::WindowTail];
        let [p50, p99, tail] = metrics.map(|metric| self.median(metric));
        let of_queues = self.comparison.untold(self.system, self.point, Untold::Queue);
        let queues = match of_queues {
            (0, _) => String::new(),
            (queues, all) => format!(", a queue in {queues} of {all} rounds"),
        };
        Some(format!("{} / {} ({}){queues}", p50?, p99?, tail?))
    }

    /// Of the rounds' absences the longest.
    fn stalls(&self) -> Option<String> {
        let Spread { least, median, greatest } = self.figures(Metric::LateWindows)?;
        let [least, median, greatest] = [least, median, greatest].map(|it| format!("{it:.0}"));
        let away = digits(self.figures(Metric::ClientAway)?.greatest);
        Some(format!("{median} ({least} – {greatest}) / {away}"))
    }

    fn cpu(&self) -> Option<String> {
        let [client, server] = [Metric::ClientCpu, Metric::ServerCpu].map(|it| self.median(it));
        Some(format!("{} + {}", client?, server?))
    }

    fn megabytes(&self) -> Option<String> {
        let Spread { least, median, greatest } = self.figures(Metric::Bytes)?;
        let [least, median, greatest] = [least, median, greatest].map(|it| digits(it / 1e6));
        Some(format!("{median} ({least} – {greatest})"))
    }
}

#[cfg(test)]
mod tests {
    use callboard_benches::worker::Shape;

    use super::*;
    use crate::record::tests::{comparison, with_queues};

    #[test]
    fn windows_have_tables_once_they_are_measured() {
        let point = Point::Offered(50);
        let mut this = comparison(point, &[("callboard", &[50.0, 50.0, 50.0])]);
        assert!(!render(&this).contains("| median window"));
        for (run, late) in this.runs.iter_mut().zip([0.0, 0.125, 0.5]) {
            let sample = run.sample.as_mut().unwrap();
            (sample.window_p50, sample.window_p99) = (Some(40.0), Some(120.0));
            (sample.late_windows, sample.client_away) = (Some(late), Some(late * 1000.0));
        }
        let text = render(&this);
        for row in ["| – | 40.0 / 120 (3.00) | – | – |", "| – | 12 (0 – 50) / 500 | – | – |"]
        {
            assert!(text.contains(row), "{row}\n{text}");
        }
    }

    #[test]
    fn queues_are_told_beside_windows() {
        let point = Point::Offered(50);
        let mut this = comparison(point, &[("callboard", &[50.0; 5])]);
        with_queues(&mut this, "callboard", 3);
        let text = render(&this);
        let row = "| – | 40.0 / ∞ (∞), a queue in 3 of 5 rounds | – | – |";
        assert!(text.contains(row), "{text}");
    }

    #[test]
    fn streams_topics_and_the_door_have_tables_once_they_are_measured() {
        for (point, heading, row) in [
            (Point::Stream(Shape::Up, 8), "## Streams", "| callboard | – | – | – | 0.50 | – | – |"),
            (Point::Publish(8), "## Publish and subscribe", "| callboard | – | 0.50 | – |"),
            (Point::Door(64), "## JSON over HTTP/1.1", "| callboard | – | 0.50 |"),
        ] {
            let all: &[(&str, &[f64])] =
                &[("callboard", &[50.0]), (FLOOR, &[100.0]), (AXUM, &[100.0])];
            let mut this = comparison(point, all);
            this.runs.extend(comparison(point, &[(NATS_PUBLISH, &[100.0])]).runs);
            let text = render(&this);
            assert!(text.contains(heading) && text.contains(row), "{text}");
            assert!(!render(&comparison(Point::OneWay, all)).contains(heading));
        }
    }
}
