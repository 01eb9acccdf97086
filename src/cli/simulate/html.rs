//! The result as one page without anything from elsewhere: the picture, the figures, the decisions, and the data.

use std::fmt::Write as _;

use ebb_plan::simulate::{Run, Simulation};

use super::svg::{self, escaped};
use super::table;

const STYLE: &str = "body{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}\
svg{max-width:100%;height:auto}table{border-collapse:collapse;margin:1rem 0}\
th,td{padding:.2rem .8rem;text-align:right;border-bottom:1px solid #8884}th:first-child,td:first-child,td.why{text-align:left}";

/// The page. `json` is the simulation, which the page holds for programs.
pub(super) fn page(simulation: &Simulation, json: &str) -> String {
    let title = escaped(&svg::title(simulation));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <h1>Simulation</h1>\n<p>{title}</p>\n{}",
        svg::chart(simulation)
    );
    figures(&mut page, &simulation.runs);
    for run in &simulation.runs {
        decisions(&mut page, run, simulation);
    }
    // A `<` in a text must not end the element.
    let json = json.replace('<', "\\u003c");
    let _ = write!(page, "<script type=\"application/json\" id=\"simulation\">{json}</script>\n</body>\n</html>\n");
    page
}

fn figures(page: &mut String, runs: &[Run]) {
    let columns: Vec<_> = runs.iter().map(|run| table::named(&run.summary)).collect();
    // Writing into a string cannot fail.
    page.push_str("<table>\n<tr><th></th>");
    for run in runs {
        let _ = write!(page, "<th>{}</th>", escaped(&run.name));
    }
    page.push_str("</tr>\n");
    for (place, (name, _)) in columns.iter().max_by_key(|column| column.len()).into_iter().flatten().enumerate() {
        let cells = columns.iter().map(|column| column.get(place).map_or("", |(_, value)| value.as_str()));
        let _ = write!(page, "<tr><td>{name}</td>");
        for cell in cells {
            let _ = write!(page, "<td>{}</td>", escaped(cell));
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table>\n");
}

fn decisions(page: &mut String, run: &Run, simulation: &Simulation) {
    let _ = writeln!(
        page,
        "<h2>{}</h2>\n<table>\n<tr><th>time</th><th>from</th><th>to</th><th>by</th><th>reason</th><td class=\"why\">why</td></tr>",
        escaped(&run.name)
    );
    for decision in &run.decisions {
        let (time, by) = (table::moment(simulation.start, decision.t), decision.by);
        let _ = writeln!(
            page,
            "<tr><td>{time}</td><td>{}</td><td>{}</td><td>{by}</td><td>{}</td><td class=\"why\">{}</td></tr>",
            decision.from,
            decision.to,
            decision.reason,
            escaped(&decision.message)
        );
    }
    page.push_str("</table>\n");
}
