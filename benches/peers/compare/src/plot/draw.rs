//! Draws plots as SVG.

use std::error::Error;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::prelude::*;

use super::{Line, Plot};
use crate::number::short;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

impl Plot {
    /// Draws it as SVG.
    ///
    /// # Errors
    /// The plot cannot be drawn.
    pub(crate) fn draw(&self) -> Result<String, Box<dyn Error>> {
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            root.fill(&WHITE)?;
            let (left, right) = root.split_horizontally(SIZE.0 - LEGEND);
            self.draw_lines(&left)?;
            self.draw_legend(&right)?;
            root.present()?;
        }
        Ok(svg)
    }

    fn draw_lines(&self, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let xs = range(points().map(|(x, _)| *x));
        let ys = range(points().map(|(_, y)| *y));
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(40)
            .y_label_area_size(70)
            .build_cartesian_2d(xs.log_scale(), ys.log_scale())?;
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(BLACK.mix(0.12))
            .x_desc(&self.x)
            .y_desc(&self.y)
            .x_label_formatter(&|x| short(*x))
            .y_label_formatter(&|y| short(*y))
            .label_style(("sans-serif", 13))
            .draw()?;
        for line in &self.lines {
            let style = line.style();
            chart.draw_series(LineSeries::new(line.points.iter().copied(), style))?;
            let dots = line.points.iter().map(|point| Circle::new(*point, 3, style.filled()));
            chart.draw_series(dots)?;
        }
        Ok(())
    }

    fn draw_legend(&self, area: &Area<'_>) -> Result<(), Box<dyn Error>> {
        let mut y = 50;
        for line in &self.lines {
            area.draw(&PathElement::new(vec![(0, y), (20, y)], line.style()))?;
            let text = line.name.clone();
            area.draw(&Text::new(text, (26, y - 6), ("sans-serif", 13)))?;
            y += 20;
        }
        Ok(())
    }
}

impl Line {
    fn style(&self) -> ShapeStyle {
        let width = if self.name == crate::systems::SUBJECT { 4 } else { 2 };
        Palette99::pick(self.colour).stroke_width(width)
    }
}

/// From a little below the least to a little above the greatest; never empty.
fn range(values: impl Iterator<Item = f64> + Clone) -> Range<f64> {
    let least = values.clone().fold(f64::INFINITY, f64::min);
    let greatest = values.fold(f64::MIN_POSITIVE, f64::max);
    least / 1.2..greatest * 1.2
}

/// Width and height in pixels.
const SIZE: (u32, u32) = (860, 480);

/// Width of the legend.
const LEGEND: u32 = 190;
