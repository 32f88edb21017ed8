//! What the command line asks for.

use crate::acts::{self, Act};
use crate::lab::{self, Result};

pub(crate) const USAGE: &str = "usage: cluster [demo|list] [--keep] [--reuse] [--repeat N] [--except ACT] [ACT...]
       cluster soak N [SEED] [--reuse] [ACT...]
  list        names all acts; without names, all are played as tests
  demo        show every act as it goes, with its timeline; without names, four of them
  soak N      play N acts in random order, or until a promise is broken: then the lab is kept
  --keep      leave the lab running at the end (or KEEP=1)
  --reuse     play in the lab that runs already, as it is configured
  --repeat N  play everything N times and print medians";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Test,
    Demo,
    List,
    Soak { faults: usize, seed: Option<u64> },
}

pub(crate) struct Arguments {
    pub(crate) purpose: Purpose,
    pub(crate) keep: bool,
    pub(crate) reuse: bool,
    pub(crate) repeat: usize,
    /// What was named; empty: what the purpose implies.
    pub(crate) acts: Vec<&'static Act>,
    /// What is not played although it is implied.
    pub(crate) except: Vec<&'static Act>,
}

impl Arguments {
    pub(crate) fn parse(words: impl Iterator<Item = String>) -> Result<Arguments> {
        let mut words = words.peekable();
        let mut arguments = Arguments {
            purpose: purpose(&mut words)?,
            keep: lab::wants_to_keep(),
            reuse: false,
            repeat: 1,
            acts: Vec::new(),
            except: Vec::new(),
        };
        let act = |name: &str| acts::named(name).ok_or_else(|| format!("unknown: {name}"));
        while let Some(word) = words.next() {
            match word.as_str() {
                "--keep" => arguments.keep = true,
                "--reuse" => arguments.reuse = true,
                "--repeat" => arguments.repeat = count(words.next()).ok_or("--repeat needs a number")?,
                // What `cargo test` may pass to every test program.
                "--nocapture" | "--quiet" | "--test-threads=1" => {}
                "--except" => arguments.except.push(act(&words.next().unwrap_or_default())?),
                name => arguments.acts.push(act(name)?),
            }
        }
        Ok(arguments)
    }

    /// The wanted acts, as often as they are wanted.
    pub(crate) fn programme(&self) -> Vec<&'static Act> {
        let once: Vec<&Act> = match self.purpose {
            _ if !self.acts.is_empty() => self.acts.clone(),
            Purpose::Demo => acts::DEMO.iter().filter_map(|name| acts::named(name)).collect(),
            Purpose::Test | Purpose::List | Purpose::Soak { .. } => acts::all().collect(),
        };
        let excepted = |act: &&Act| self.except.iter().any(|other| other.name == act.name);
        let once: Vec<&Act> = once.into_iter().filter(|act| !excepted(act)).collect();
        std::iter::repeat_n(once, self.repeat).flatten().collect()
    }
}

fn purpose(words: &mut std::iter::Peekable<impl Iterator<Item = String>>) -> Result<Purpose> {
    let purpose = match words.peek().map(String::as_str) {
        Some("demo") => Purpose::Demo,
        Some("list") => Purpose::List,
        Some("soak") => {
            words.next();
            let faults = count(words.next()).ok_or("soak needs the number of acts")?;
            let seed = words.next_if(|word| word.parse::<u64>().is_ok());
            let seed = seed.and_then(|seed| seed.parse().ok());
            return Ok(Purpose::Soak { faults, seed });
        }
        _ => return Ok(Purpose::Test),
    };
    words.next();
    Ok(purpose)
}

/// A number above 0.
fn count(word: Option<String>) -> Option<usize> {
    word?.parse().ok().filter(|count| *count > 0)
}
