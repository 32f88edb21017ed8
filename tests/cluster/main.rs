//! A real cluster in the lab, real servers, real fencing, clients that write all the time, and a fault.
//!
//! Without an argument, or with names of acts, every act is a test. `demo` tells the story of each instead.
//! Needs Docker and a staged build: `tests/setup`, `make stage`.

mod acts;
mod checks;
mod health;
mod installed;
mod lab;
mod report;
mod screen;
mod sql;
mod timeline;
mod verify;
mod witness;
mod writer;

use std::process::ExitCode;
use std::time::Instant;

use acts::{Act, Stage};
use checks::CHECKS;
use lab::{Lab, Result};
use report::Report;
use screen::{Colour, Screen};

const USAGE: &str = "usage: cluster [demo] [--keep] [--reuse] [--repeat N] [ACT...]
acts: server-killed, power-off, switchover, server-frozen (default: all)
  demo        show every act as it goes, with its timeline
  --keep      leave the lab running at the end (or KEEP=1)
  --reuse     play in the lab that runs already, as it is configured
  --repeat N  play everything N times and print medians";

struct Arguments {
    demo: bool,
    keep: bool,
    reuse: bool,
    repeat: usize,
    acts: Vec<Act>,
}

fn main() -> ExitCode {
    let arguments = match parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            Screen::new(false).say(&format!("{problem}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    let lab = Lab::from_environment();
    let screen = Screen::new(arguments.demo);
    let well = if arguments.demo {
        demo(&screen, &lab, &arguments)
    } else {
        test(&screen, &lab, &arguments)
    };
    if arguments.keep {
        screen.say("the lab is kept: `vagrant/lab status` shows it, `vagrant/lab down` removes it");
    } else {
        screen.step("removing the lab");
        if let Err(problem) = lab.down() {
            screen.say(&problem);
        }
        screen.say("");
    }
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(words: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut arguments = Arguments {
        demo: false,
        keep: lab::wants_to_keep(),
        reuse: false,
        repeat: 1,
        acts: Vec::new(),
    };
    let mut words = words.peekable();
    arguments.demo = words.next_if(|word| word == "demo").is_some();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--keep" => arguments.keep = true,
            "--reuse" => arguments.reuse = true,
            "--repeat" => {
                let times = words.next().and_then(|times| times.parse().ok());
                arguments.repeat = times.filter(|times| *times > 0).ok_or("--repeat needs a number")?;
            }
            // What `cargo test` may pass to every test program.
            "--nocapture" | "--quiet" | "--test-threads=1" => {}
            name => arguments
                .acts
                .push(Act::named(name).ok_or_else(|| format!("unknown: {name}"))?),
        }
    }
    Ok(arguments)
}

/// The wanted acts, as often as they are wanted.
fn programme(arguments: &Arguments) -> impl Iterator<Item = Act> + '_ {
    let acts: &[Act] = if arguments.acts.is_empty() {
        &Act::ALL
    } else {
        &arguments.acts
    };
    (0..arguments.repeat).flat_map(|_| acts.iter().copied())
}

fn demo(screen: &Screen, lab: &Lab, arguments: &Arguments) -> bool {
    screen.say(&screen.paint(
        Colour::Bold,
        "baton: three nodes, one primary, eight clients that write all the time",
    ));
    let mut reports: Vec<Report> = Vec::new();
    let played = play_all(screen, lab, arguments, &mut reports);
    report::table(screen, &reports);
    if arguments.repeat > 1 {
        report::medians(screen, &reports);
    }
    if let Err(problem) = &played {
        screen.say(&screen.paint(Colour::Red, problem));
    }
    played.is_ok() && reports.iter().all(|report| report.broken().is_empty())
}

fn open<'a>(screen: &'a Screen, lab: &'a Lab, arguments: &Arguments) -> Result<Stage<'a>> {
    if arguments.reuse {
        Stage::find(screen, lab)
    } else {
        Stage::set(screen, lab)
    }
}

fn play_all(screen: &Screen, lab: &Lab, arguments: &Arguments, reports: &mut Vec<Report>) -> Result<()> {
    let mut stage = open(screen, lab, arguments)?;
    for act in programme(arguments) {
        for report in stage.play(act)? {
            report.show(screen);
            reports.push(report);
        }
    }
    Ok(())
}

fn test(screen: &Screen, lab: &Lab, arguments: &Arguments) -> bool {
    let began = Instant::now();
    // Whoever names acts wants those.
    let checks = if arguments.acts.is_empty() { CHECKS } else { &[] };
    let mut tests = checks.len() + programme(arguments).count();
    screen.say(&format!(
        "\nrunning {tests} tests, and what a cluster says of what is installed"
    ));
    let mut failed = 0;
    for (name, check) in checks {
        let well = check();
        failed += usize::from(!well);
        screen.say(&format!("test {name} ... {}", verdict(screen, well)));
    }
    let mut reports: Vec<Report> = Vec::new();
    let mut stage = if arguments.reuse {
        Stage::find(screen, lab).ok()
    } else {
        None
    };
    for act in programme(arguments) {
        let well = test_act(screen, lab, &mut stage, act, &mut reports);
        failed += usize::from(!well);
    }
    if arguments.acts.is_empty() {
        for (claim, problem) in installed::ask(lab) {
            screen.say(&format!("test {claim} ... {}", verdict(screen, problem.is_none())));
            tests += 1;
            failed += usize::from(problem.is_some());
            problem.iter().for_each(|problem| screen.say(&format!("  {problem}")));
        }
    }
    if arguments.repeat > 1 {
        report::medians(screen, &reports);
    }
    screen.say(&format!(
        "\ntest result: {}. {} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out; finished in {:.2} s",
        verdict(screen, failed == 0),
        tests - failed,
        began.elapsed().as_secs_f64()
    ));
    failed == 0
}

fn verdict(screen: &Screen, well: bool) -> String {
    if well {
        screen.paint(Colour::Green, "ok")
    } else {
        screen.paint(Colour::Red, "FAILED")
    }
}

/// Plays an act, says how it went, and keeps what is needed to find out why it failed.
fn test_act<'a>(
    screen: &'a Screen,
    lab: &'a Lab,
    stage: &mut Option<Stage<'a>>,
    act: Act,
    reports: &mut Vec<Report>,
) -> bool {
    let played = play_on(screen, lab, stage, act);
    let problems: Vec<String> = match &played {
        Ok(played) => {
            let slow = played.iter().filter_map(Report::slow);
            played.iter().flat_map(Report::broken).chain(slow).collect()
        }
        Err(problem) => vec![problem.clone()],
    };
    let well = problems.is_empty();
    let name = act.name().replace('-', "_");
    screen.say(&format!("test {name} ... {}", verdict(screen, well)));
    let played = played.unwrap_or_default();
    for report in &played {
        if well {
            screen.say(&format!("  {}", report.summary()));
        } else {
            report.show(screen);
        }
    }
    if !well {
        // What is broken must not break the next act.
        *stage = None;
        if played.is_empty() {
            screen.say(&format!("  {}", problems.join("\n  ")));
        }
        keep_logs(screen, lab, act);
    }
    reports.extend(played);
    well
}

fn play_on<'a>(screen: &'a Screen, lab: &'a Lab, stage: &mut Option<Stage<'a>>, act: Act) -> Result<Vec<Report>> {
    if stage.is_none() {
        *stage = Some(Stage::set(screen, lab)?);
    }
    stage.as_mut().map_or_else(|| Ok(Vec::new()), |stage| stage.play(act))
}

fn keep_logs(screen: &Screen, lab: &Lab, act: Act) {
    let logs = lab.directory_for_logs(act.name());
    match lab.pull(&logs) {
        Ok(()) => screen.say(&format!("  logs are in {}", logs.display())),
        Err(problem) => screen.say(&format!("  no logs: {problem}")),
    }
}
