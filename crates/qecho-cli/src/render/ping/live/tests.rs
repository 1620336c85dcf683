//! The live view on terminals of all sizes.

use qecho_measure::ping::{Lost, Reply, ReplyKind};

use super::*;

fn live(hosts: &[&str]) -> Live {
    let subject = |host: &&str| PingTarget {
        host: (*host).to_owned(),
        over: "stream",
        size: Some(64),
        interval: Duration::from_millis(500),
        timeout: "5 s".into(),
    };
    let absent = vec![" no.example: cannot find its address".to_owned()];
    Live::new(hosts.iter().map(subject), absent, false)
}

fn reply(sequence: u64, milliseconds: u64) -> PingEvent {
    PingEvent::Reply(Reply {
        sequence,
        time: Duration::from_millis(milliseconds),
        address: ([192, 0, 2, 1], 4433).into(),
        kind: ReplyKind::Echo { bytes: 64 },
    })
}

fn screen(live: &Live, width: usize, height: usize) -> Vec<String> {
    let mut canvas = Canvas::new(width, height);
    live.draw(&mut canvas);
    canvas.rows().collect()
}

#[test]
fn a_host_has_its_plot_its_histogram_and_its_figures() {
    let mut live = live(&["one.example:4433"]);
    for sequence in 1..=90 {
        live.note(0, &reply(sequence, 10));
    }
    for sequence in 91..=100 {
        live.note(0, &reply(sequence, 50));
    }
    let (sequence, reason) = (101, None);
    live.note(0, &PingEvent::Lost(Lost { sequence, reason }));
    let screen = screen(&live, 100, 20);
    assert!(
        screen[0].contains("one.example:4433 over stream: 192.0.2.1:4433"),
        "{screen:#?}"
    );
    let all = screen.join("\n");
    for words in [
        "101 sent, 100 received, 1 lost",
        "p50 10 ms",
        "max 50 ms",
        "█ 90",
        "█ 10",
        "55 ms",
        "q or Ctrl-C",
    ] {
        assert!(all.contains(words), "{words} in {screen:#?}");
    }
}

#[test]
fn one_outlier_flattens_nothing_and_the_axes_say_how_long_and_when() {
    let mut live = live(&["one.example:4433"]);
    let times = (1..=60).map(|sequence| (sequence, 10 + sequence % 7));
    for (sequence, time) in times.chain([(61, 4_000)]).chain([(62, 11)]) {
        live.note(0, &reply(sequence, time));
    }
    let outlier = screen(&live, 100, 24);
    let all = outlier.join("\n");
    for words in ["log scale", "s ago", "now", "4.40 s"] {
        assert!(all.contains(words), "{words} in {outlier:#?}");
    }
    // The others differ in more than one row of points.
    let is_drawn = |line: &&String| {
        line.chars()
            .any(|char| ('\u{2801}'..='\u{28ff}').contains(&char))
    };
    let rows = outlier.iter().filter(is_drawn).count();
    assert!(rows > 3, "{outlier:#?}");
}

#[test]
fn a_line_goes_through_the_answers_and_stops_at_a_loss() {
    let mut live = live(&["one.example:4433"]);
    for (sequence, time) in [(1, 10), (21, 90), (61, 10)] {
        live.note(0, &reply(sequence, time));
    }
    let points = |live: &Live| {
        let screen = screen(live, 100, 24).concat();
        let points = screen
            .chars()
            .filter(|char| ('\u{2801}'..='\u{28ff}').contains(char));
        points.count()
    };
    let joined = points(&live);
    assert!(joined > 20, "{joined}");
    let mut parted = self::live(&["one.example:4433"]);
    parted.note(0, &reply(1, 10));
    let (sequence, reason) = (21, None);
    parted.note(0, &PingEvent::Lost(Lost { sequence, reason }));
    parted.note(0, &reply(61, 10));
    assert!(points(&parted) < 5, "{:#?}", screen(&parted, 100, 24));
}

#[test]
fn figures_end_where_the_screen_does_and_absent_hosts_are_named() {
    let mut live = live(&["one.example:4433"]);
    live.note(0, &reply(1, 10));
    let narrow = screen(&live, 80, 20);
    let all = narrow.join("\n");
    assert!(
        all.contains("1 sent, 1 received, 0 lost, p50 10 ms"),
        "{all}"
    );
    assert!(all.contains("max 10 ms"), "{all}");
    assert!(!all.contains("p90"), "{all}");
    assert!(all.contains("no.example: cannot find its address"), "{all}");
}

#[test]
fn hosts_look_alike_and_show_their_counts_on_every_screen() {
    let names = ["one.example:4433", "two.example:4433", "six.example:4433"];
    let mut live = alone(&names);
    (0..3).for_each(|host| live.note(host, &reply(1, 10)));
    for (width, height, borders) in [(80, 24, 3), (80, 21, 0), (40, 12, 0), (50, 4, 0)] {
        let screen = screen(&live, width, height);
        let count = |word: &str| screen.iter().filter(|line| line.contains(word)).count();
        assert_eq!(count("┌"), borders, "{screen:#?}");
        assert_eq!(count("1 sent, 1 received, 0 lost"), 3, "{screen:#?}");
        for name in names {
            assert_eq!(count(name), 1, "{screen:#?}");
        }
    }
}

#[test]
fn a_small_screen_leaves_out_the_histogram_first_and_the_plot_last() {
    let mut live = alone(&["one.example:4433"]);
    (1..=200).for_each(|sequence| live.note(0, &reply(sequence, 10 + sequence % 7)));
    let parts = ["█", "now", "┌", "q: end", "⠀"];
    let mut shown_before = parts.len();
    for (width, height, shown) in [
        (80, 24, 5),
        (69, 24, 4),
        (40, 10, 4),
        (40, 9, 3),
        (40, 7, 2),
        (20, 5, 1),
        (15, 5, 0),
        (20, 3, 0),
    ] {
        let screen = screen(&live, width, height);
        let all = screen.join("\n").replace("q or Ctrl-C", "q: end");
        let is_point = |letter: char| ('\u{2801}'..='\u{28ff}').contains(&letter);
        let all = all.replace(is_point, "⠀").replace(' ', "");
        let has = |part: &&&str| all.contains(&part.replace(' ', ""));
        let found: Vec<_> = parts.iter().filter(has).collect();
        assert_eq!(
            found,
            parts[parts.len() - shown..].iter().collect::<Vec<_>>(),
            "{screen:#?}"
        );
        assert!(shown <= shown_before);
        shown_before = shown;
        // The losses are told of everywhere.
        assert!(
            all.contains("0lost") || all.contains("0of200lost"),
            "{screen:#?}"
        );
    }
}

#[test]
fn the_plot_has_as_many_columns_as_the_histogram_or_more() {
    let mut live = alone(&["one.example:4433"]);
    (1..=600).for_each(|sequence| live.note(0, &reply(sequence, 10)));
    for width in 20..=120 {
        let screen = screen(&live, width, 12);
        let axis = screen
            .iter()
            .find(|line| line.contains('└'))
            .expect("it has an axis");
        let axis = axis.chars().filter(|letter| *letter == '─').count();
        // Beside it are labels.
        let rest = match screen.concat().contains("█ 600") {
            true => HISTOGRAM_WIDTH.min(width / 2),
            false => width,
        };
        assert!(axis + 10 >= rest, "{width}: {screen:#?}");
    }
}

#[test]
fn what_is_cut_says_so_and_no_number_is_cut() {
    let mut live = alone(&["a-host-of-a-long-name.example:4433"]);
    (1..=1_234).for_each(|sequence| live.note(0, &reply(sequence, 10)));
    for width in 16..=60 {
        for height in [1, 2, 5, 9] {
            let screen = screen(&live, width, height);
            let all = screen.join("\n");
            let whole = ["0 of 1234 lost", "1234 sent, 1234 received, 0 lost"];
            assert!(whole.iter().any(|words| all.contains(words)), "{screen:#?}");
            let named =
                all.contains("a-host-of-a-long-name.example:4433 over stream: 192.0.2.1:4433");
            assert!(named || all.contains('…'), "{screen:#?}");
        }
    }
}

#[test]
fn hosts_for_which_there_is_no_row_are_counted() {
    let names: Vec<_> = (1..=12).map(|host| format!("host{host:02}:4433")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let mut live = alone(&names);
    let lines = |live: &Live, height| screen(live, 60, height).concat();
    for (height, shown) in [(13, 12), (12, 10), (8, 6), (5, 4), (2, 1), (1, 0)] {
        let all = lines(&live, height);
        let of_hosts = all.matches(":4433").count();
        assert_eq!(of_hosts, shown, "{all}");
        let more = match shown {
            0 => " 12 hosts not shown".to_owned(),
            _ => format!(" {} more hosts not shown", 12 - shown),
        };
        assert_eq!(all.contains(&more), shown < 12, "{all}");
    }
    live.absent = (1..=9)
        .map(|host| format!(" no{host}.example: unknown"))
        .collect();
    for (height, named, more) in [(40, 9, None), (12, 3, Some(6)), (4, 0, Some(9))] {
        let all = lines(&live, height);
        assert_eq!(all.matches(": unknown").count(), named, "{all}");
        let more = more.map(|count| match named {
            0 => format!(" {count} hosts not pinged"),
            _ => format!(" {count} more hosts not pinged"),
        });
        assert!(more.is_none_or(|more| all.contains(&more)), "{all}");
    }
}

#[test]
fn no_loss_is_hidden_by_the_words_of_the_scale() {
    let mut live = alone(&["one.example:4433"]);
    for sequence in 1..=100 {
        let lost = Lost {
            sequence,
            reason: None,
        };
        match sequence {
            1..=5 => live.note(0, &PingEvent::Lost(lost)),
            6 => live.note(0, &reply(sequence, 4_000)),
            _ => live.note(0, &reply(sequence, 10)),
        }
    }
    let screen = screen(&live, 60, 10);
    let all = screen.join("\n");
    assert!(
        all.contains('█') && all.contains("└─ log scale ─"),
        "{screen:#?}"
    );
}

fn alone(hosts: &[&str]) -> Live {
    Live {
        absent: Vec::new(),
        ..live(hosts)
    }
}

#[test]
fn nothing_is_drawn_outside_of_any_screen() {
    let mut live = live(&["one", "two", "three"]);
    for (width, height) in [(100, 40), (20, 9), (1, 1), (3, 2), (0, 0), (35, 30)] {
        screen(&live, width, height);
    }
    live.note(1, &reply(1, 0));
    live.note(2, &reply(u64::MAX, 3_600_000));
    for (width, height) in [(100, 40), (20, 9), (1, 1), (3, 2), (0, 0), (35, 30)] {
        screen(&live, width, height);
    }
}

#[test]
fn only_the_last_are_kept() {
    let mut live = live(&["one"]);
    for sequence in 1..=10_000 {
        live.note(0, &reply(sequence, 10));
    }
    assert_eq!(live.hosts[0].recent.len(), KEPT_MAX);
    assert_eq!(live.hosts[0].counts.received, 10_000);
}
