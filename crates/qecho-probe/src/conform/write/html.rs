//! Reports as one page for a browser, which needs nothing else: made to be linked from a ticket,
//! with an anchor for each requirement.

use std::{
    fmt::Write as _,
    io::{self, Write},
};

use qecho_packet::Direction;

use super::{Origin, escape::escaped, text};
use crate::{
    conform::{Counts, Matrix, PacketRecord, Report, Row, SUITE, Verdict},
    page,
};

/// Bytes in a line of a datagram.
const ROW_BYTES: usize = 32;

/// Writes a page about one peer. The anchor of a requirement is its identifier.
///
/// # Errors
/// If it cannot be written.
pub fn html(report: &Report, origin: &Origin, out: &mut dyn Write) -> io::Result<()> {
    begin(&report.target, origin, out)?;
    peer(report, origin, "", out)?;
    page::end(out)
}

/// Writes a page about several peers: a table of all verdicts, then each peer. The anchor of a
/// requirement is its identifier with the number of the peer, as `F12-1`.
///
/// # Errors
/// If it cannot be written.
pub fn html_of_several(matrix: &Matrix, origin: &Origin, out: &mut dyn Write) -> io::Result<()> {
    let targets = matrix.reports().iter().map(|report| report.target.as_str());
    begin(&targets.collect::<Vec<_>>().join(", "), origin, out)?;
    writeln!(
        out,
        "<div class=\"wide\"><table class=\"matrix\">\n<tr><th></th><th></th>"
    )?;
    for report in matrix.reports() {
        writeln!(out, "<th>{}</th>", escaped(&report.target))?;
    }
    writeln!(out, "</tr>")?;
    for row in matrix.rows() {
        let requirement = row.requirement;
        let (id, section) = (requirement.id, requirement.section);
        let class = if row.differs() {
            " class=\"differs\""
        } else {
            ""
        };
        write!(out, "<tr{class}><th>{id}</th><td>{section}</td>")?;
        for (number, cell) in (1..).zip(row.rows) {
            match cell.map(Row::verdict) {
                None => write!(out, "<td>–</td>")?,
                Some(verdict) => {
                    let badge = badge(verdict);
                    write!(out, "<td><a href=\"#{id}-{number}\">{badge}</a></td>")?;
                }
            }
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</table></div>")?;
    for (number, report) in (1..).zip(matrix.reports()) {
        writeln!(out, "<h2 class=\"peer\">{}</h2>", escaped(&report.target))?;
        peer(report, origin, &format!("-{number}"), out)?;
    }
    page::end(out)
}

fn begin(targets: &str, origin: &Origin, out: &mut dyn Write) -> io::Result<()> {
    let making = format!("{}, qecho {}, suite {SUITE}", origin.began, origin.version);
    let title = format!("qecho conform: {targets}");
    page::begin(&title, &making, &origin.command, out)
}

/// Writes all about one peer; its anchors end in `suffix`.
fn peer(report: &Report, origin: &Origin, suffix: &str, out: &mut dyn Write) -> io::Result<()> {
    let conclusion = escaped(&text::conclusion(report));
    writeln!(out, "<p class=\"conclusion\">{conclusion}</p>")?;
    tiles(&report.counts(), out)?;
    writeln!(
        out,
        "<div class=\"wide\"><table>\n<tr><th>RFC</th><th>verdicts</th></tr>"
    )?;
    for (rfc, counts) in report.counts_by_rfc() {
        let counts = text::counted(&counts);
        writeln!(out, "<tr><th>{}</th><td>{counts}</td></tr>", rfc.0)?;
    }
    writeln!(out, "</table></div>")?;
    // What somebody has to act on stands first.
    for verdict in [
        Verdict::Crashed,
        Verdict::Fail,
        Verdict::Note,
        Verdict::Unsteady,
        Verdict::NotReached,
        Verdict::NotApplicable,
        Verdict::Pass,
    ] {
        let mut rows = report.having(verdict).peekable();
        if rows.peek().is_some() {
            let title = heading(verdict);
            writeln!(out, "<h2>{title}</h2>")?;
        }
        rows.try_for_each(|row| article(row, &origin.again(report, row), suffix, out))?;
    }
    Ok(())
}

fn tiles(counts: &Counts, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<ul class=\"tiles\">")?;
    for (verdict, count) in counts.nonzero() {
        let class = verdict.as_str();
        writeln!(out, "<li class=\"{class}\"><b>{count}</b> {verdict}</li>")?;
    }
    writeln!(out, "</ul>")
}

/// Writes one requirement: what it says, what was expected and seen, and the packets.
fn article(row: &Row, again: &str, suffix: &str, out: &mut dyn Write) -> io::Result<()> {
    let requirement = row.requirement;
    let (id, verdict) = (requirement.id, row.verdict());
    let sections = requirement.sections().map(|section| {
        let link = section.link();
        format!("<a href=\"{link}\">RFC {section}</a>")
    });
    writeln!(
        out,
        "<article id=\"{id}{suffix}\" class=\"{}\">\n<h3><a href=\"#{id}{suffix}\">{id}</a> {} \
         {}</h3>\n<dl>\n<dt>requirement</dt><dd>{} <span class=\"source\">{}, {}</span></dd>\n\
         <dt>expected</dt><dd>{}</dd>\n<dt>seen</dt><dd>{}</dd>",
        verdict.as_str(),
        badge(verdict),
        escaped(requirement.stimulus),
        escaped(requirement.text),
        requirement.level.as_str(),
        sections.collect::<Vec<_>>().join(", "),
        escaped(requirement.expected),
        escaped(&row.finding.seen),
    )?;
    if verdict != Verdict::Pass {
        let again = escaped(again);
        writeln!(out, "<dt>again</dt><dd><code>{again}</code></dd>")?;
    }
    writeln!(out, "</dl>")?;
    packets(&row.finding.packets, verdict, out)?;
    writeln!(out, "</article>")
}

/// Writes the packets, open to see and with their bytes where there is something to look into.
fn packets(packets: &[PacketRecord], verdict: Verdict, out: &mut dyn Write) -> io::Result<()> {
    if packets.is_empty() {
        return Ok(());
    }
    let open = if verdict.is_broken() { " open" } else { "" };
    let count = match packets.len() {
        1 => "1 datagram".into(),
        count => format!("{count} datagrams"),
    };
    writeln!(out, "<details{open}><summary>{count}</summary>\n<ol>")?;
    for packet in packets {
        let way = match packet.direction {
            Direction::Sent => "sent",
            Direction::Received => "received",
        };
        let [class, mark] = match packet.is_stimulus {
            true => [" stimulus", "<b>the stimulus</b>, "],
            false => [""; 2],
        };
        writeln!(
            out,
            "<li class=\"{way}{class}\"><span>{mark}{way} at {:.3} ms, {} B</span>\n<pre>{}</pre>",
            packet.time.as_secs_f64() * 1e3,
            packet.size,
            escaped(&packet.lines.join("\n")),
        )?;
        if verdict != Verdict::Pass && !packet.datagram.is_empty() {
            let bytes = hexadecimal(&packet.datagram);
            writeln!(
                out,
                "<details><summary>bytes</summary><pre>{bytes}</pre></details>"
            )?;
        }
        writeln!(out, "</li>")?;
    }
    writeln!(out, "</ol></details>")
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2 + bytes.len() / ROW_BYTES);
    for row in bytes.chunks(ROW_BYTES) {
        for byte in row {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        text.push('\n');
    }
    text
}

fn heading(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Crashed => "Crashed",
        Verdict::Fail => "Broken",
        Verdict::Note => "To be noted",
        Verdict::Unsteady => "Unsteady",
        Verdict::NotReached => "Not reached",
        Verdict::NotApplicable => "Not applicable",
        Verdict::Pass => "Kept",
    }
}

fn badge(verdict: Verdict) -> String {
    format!(
        "<span class=\"badge {}\">{verdict}</span>",
        verdict.as_str()
    )
}
