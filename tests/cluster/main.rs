//! A real cluster in the lab, real servers, real fencing, clients that write all the time, and faults.
//!
//! Without an argument, or with names of acts, every act is a test. `demo` tells the story of each instead, and `soak`
//! plays them in random order for as long as one likes. Needs Docker and a staged build: `tests/setup`, `make stage`.

mod acts;
mod arguments;
mod checks;
mod console;
mod expect;
mod family;
mod health;
mod installed;
mod ipv6;
mod lab;
mod play;
mod report;
mod screen;
mod script;
mod sessions;
mod soak;
mod sql;
mod stage;
mod timeline;
mod verify;
mod witness;
mod writer;

use std::process::ExitCode;
use std::time::Instant;

use acts::Act;
use arguments::{Arguments, Purpose, USAGE};
use checks::CHECKS;
use lab::{Lab, Result};
use report::Report;
use screen::{Colour, Screen};
use stage::Stage;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            Screen::new(false).say(&format!("{problem}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    let lab = Lab::from_environment();
    let screen = Screen::new(arguments.purpose != Purpose::Test);
    let (well, keep) = match arguments.purpose {
        Purpose::Test => (test(&screen, &lab, &arguments), arguments.keep),
        Purpose::Demo => (demo(&screen, &lab, &arguments), arguments.keep),
        Purpose::List => {
            list(&screen, &arguments);
            return ExitCode::SUCCESS;
        }
        Purpose::Soak { faults, seed } => {
            let well = soak::run(&screen, &lab, &arguments, faults, seed);
            (well, arguments.keep || !well)
        }
    };
    if keep {
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

fn list(screen: &Screen, arguments: &Arguments) {
    for act in arguments.programme() {
        screen.say(&format!("{:<36} within {:>2} s  {}", act.name, act.bound, act.story));
    }
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

/// A lab to begin with.
fn open<'a>(screen: &'a Screen, lab: &'a Lab, arguments: &Arguments) -> Result<Stage<'a>> {
    if arguments.reuse {
        Stage::find(screen, lab)
    } else {
        Stage::set(screen, lab)
    }
}

fn play_all(screen: &Screen, lab: &Lab, arguments: &Arguments, reports: &mut Vec<Report>) -> Result<()> {
    let mut stage = open(screen, lab, arguments)?;
    for act in arguments.programme() {
        let report = stage.play(act)?;
        report.show(screen);
        reports.push(report);
    }
    Ok(())
}

fn test(screen: &Screen, lab: &Lab, arguments: &Arguments) -> bool {
    let began = Instant::now();
    let programme = arguments.programme();
    // Whoever names acts wants those.
    let all = arguments.acts.is_empty();
    let checks = if all { CHECKS } else { &[] };
    let mut tests = checks.len() + programme.len();
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
    for act in programme {
        let well = test_act(screen, lab, &mut stage, act, &mut reports);
        failed += usize::from(!well);
    }
    if all {
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

/// Whether an act keeps its promises, and its bounds: these are bounds on the median of three plays, since the machine may
/// be busy with something else during one. Something that is broken is not played again.
fn test_act<'a>(
    screen: &'a Screen,
    lab: &'a Lab,
    stage: &mut Option<Stage<'a>>,
    act: &'static Act,
    reports: &mut Vec<Report>,
) -> bool {
    let (mut in_time, mut slow) = (0, 0);
    loop {
        let played = play_on(screen, lab, stage, act);
        let broken = played.as_ref().map_or(true, |report| !report.broken().is_empty());
        if played.as_ref().is_ok_and(|report| report.slow().is_empty()) {
            in_time += 1;
        } else {
            slow += 1;
        }
        let well = match (broken, in_time > slow, slow > 1) {
            (false, true, _) => Some(true),
            (true, _, _) | (_, _, true) => Some(false),
            (false, false, false) => None,
        };
        say_how_it_went(screen, act, &played, well);
        reports.extend(played);
        if well == Some(false) {
            // What is broken must not break the next act.
            *stage = None;
            keep_logs(screen, lab, act);
        }
        if let Some(well) = well {
            return well;
        }
    }
}

/// Without a verdict it is played again.
fn say_how_it_went(screen: &Screen, act: &Act, played: &Result<Report>, well: Option<bool>) {
    let name = act.name.replace('-', "_");
    let verdict = well.map_or_else(|| "once more".to_owned(), |well| verdict(screen, well));
    screen.say(&format!("test {name} ... {verdict}"));
    match played {
        Ok(report) if report.faults().is_empty() => screen.say(&format!("  {}", report.summary())),
        Ok(report) => report.show(screen),
        Err(problem) => screen.say(&format!("  {problem}")),
    }
}

fn play_on<'a>(screen: &'a Screen, lab: &'a Lab, stage: &mut Option<Stage<'a>>, act: &'static Act) -> Result<Report> {
    let mut open = match stage.take() {
        Some(open) => open,
        None => Stage::set(screen, lab)?,
    };
    let report = open.play(act);
    *stage = Some(open);
    report
}

fn keep_logs(screen: &Screen, lab: &Lab, act: &Act) {
    let logs = lab.directory_for_logs(act.name);
    match lab.pull(&logs) {
        Ok(()) => screen.say(&format!("  logs are in {}", logs.display())),
        Err(problem) => screen.say(&format!("  no logs: {problem}")),
    }
}
