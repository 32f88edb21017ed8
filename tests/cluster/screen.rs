//! What the person in front of the terminal sees: lines that stay, and one line that says what is going on now.
//!
//! Colour and the changing line only on a terminal. The only file here that prints or waits.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use crate::lab::Result;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Colour {
    Bold,
    Dim,
    Red,
    Green,
}

impl Colour {
    fn code(self) -> &'static str {
        match self {
            Colour::Bold => "1",
            Colour::Dim => "2",
            Colour::Red => "31",
            Colour::Green => "32",
        }
    }
}

pub(crate) struct Screen {
    terminal: bool,
    /// Without a terminal, steps are lines of their own, or not shown at all.
    steps: bool,
}

impl Screen {
    const POLL: Duration = Duration::from_millis(100);

    pub(crate) fn new(steps: bool) -> Screen {
        Screen {
            terminal: std::io::stdout().is_terminal(),
            steps,
        }
    }

    /// A line that stays.
    pub(crate) fn say(&self, text: &str) {
        self.write(&format!("{}{text}\n", self.clear()));
    }

    pub(crate) fn paint(&self, colour: Colour, text: &str) -> String {
        if self.terminal {
            format!("\x1b[{}m{text}\x1b[0m", colour.code())
        } else {
            text.to_owned()
        }
    }

    /// What is going on now.
    pub(crate) fn step(&self, text: &str) {
        if self.terminal {
            self.now(text);
        } else if self.steps {
            self.write(&format!("  {text} ...\n"));
        }
    }

    /// What a program says while it runs; a log file needs only what the lab itself has to say.
    pub(crate) fn remark(&self, line: &str) {
        if self.terminal {
            self.now(&line.chars().take(100).collect::<String>());
        } else if self.steps && line.starts_with("lab: ") {
            self.write(&format!("  {line}\n"));
        }
    }

    /// Looks again and again until there is an answer; while there is none, `look` says what is still missing.
    pub(crate) fn wait<T>(&self, what: &str, limit: Duration, mut look: impl FnMut() -> Result<T>) -> Result<T> {
        let began = Instant::now();
        self.step(what);
        loop {
            let missing = match look() {
                Ok(found) => return Ok(found),
                Err(missing) => missing,
            };
            let waited = began.elapsed();
            if waited > limit {
                return Err(format!("{what}: not within {} s: {missing}", limit.as_secs()));
            }
            if self.terminal && waited > Duration::from_secs(1) {
                self.now(&format!("{what}, {} s ({missing})", waited.as_secs()));
            }
            pause(Screen::POLL);
        }
    }

    /// Lets time pass, visibly.
    pub(crate) fn linger(&self, what: &str, time: Duration) {
        self.step(what);
        pause(time);
    }

    fn now(&self, text: &str) {
        let text: String = text.chars().take(110).collect();
        let text = self.paint(Colour::Dim, &text.replace('\n', " "));
        self.write(&format!("{}  {text}", self.clear()));
    }

    fn clear(&self) -> &'static str {
        if self.terminal { "\r\x1b[K" } else { "" }
    }

    fn write(&self, text: &str) {
        let mut out = std::io::stdout().lock();
        // Whoever closed the pipe does not want to read on.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place of the cluster tests that waits")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
