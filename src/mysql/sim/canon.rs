//! One form for all worlds in which the same can happen: numbers that are only compared are given out anew from the lowest,
//! and what has served its purpose is forgotten. Else nothing that broke and was mended would ever be as it was before.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::world::World;
use crate::mysql::state::{Claim, Epoch, Record, Standing};

/// The numbers that are in use, each with its new one.
type Numbers = BTreeMap<u64, u64>;

impl World {
    /// An action in progress has answers with the old numbers: then everything stays as it is.
    pub(super) fn simplify(&mut self) {
        if self.machines.iter().any(|machine| machine.action.is_some()) {
            return;
        }
        self.acknowledged.sort_unstable();
        for node in self.nodes() {
            self.forget_what_is_done(node);
        }
        self.number_changes();
        self.number_admissions();
    }

    /// What was fetched again is here.
    fn forget_what_is_done(&mut self, node: usize) {
        let machine = &self.machines[node];
        let holdings = || machine.server.observe(&[], 1).holdings;
        let fetched = machine.record.refetches.as_ref().is_some_and(|lost| holdings().has_received(&lost.received));
        let (told, known) = (machine.server.unacknowledged, machine.record.unacknowledged);
        let (new, seen) = (u64::from(told > known), u64::from(told < known));
        if fetched || (told, known) != (new, seen) {
            let machine = self.machine(node);
            let record = Rc::make_mut(&mut machine.record);
            record.refetches = record.refetches.take().filter(|_| !fetched);
            record.unacknowledged = seen;
            machine.server.unacknowledged = new;
        }
    }

    fn number_changes(&mut self) {
        let used: BTreeSet<u32> = self.machines.iter().map(|machine| machine.configuration.changes).collect();
        for node in self.nodes() {
            let changes = self.machines[node].configuration.changes;
            let place = u32::try_from(used.iter().take_while(|used| **used < changes).count()).unwrap();
            if place != changes {
                Rc::make_mut(&mut self.machine(node).configuration).changes = place;
            }
        }
    }

    fn number_admissions(&mut self) {
        let mut used = BTreeSet::from([0]);
        for machine in &self.machines {
            let epoch = machine.configuration.epoch.as_deref();
            let claims = epoch.map(|epoch| &epoch.claim).into_iter().chain([&machine.record.claim]);
            for claim in claims {
                used.extend(claim.ackers.values());
                used.insert(claim.admissions);
            }
            used.extend(machine.record.resigned.map(|resigned| resigned.admission));
            let standings = [&machine.attributes.standing, &machine.attributes.heard];
            used.extend(standings.into_iter().flatten().filter_map(|standing| standing.resigned));
        }
        let numbers: Numbers = used.into_iter().zip(0..).collect();
        if numbers.iter().all(|(old, new)| old == new) {
            return;
        }
        for node in self.nodes() {
            let machine = self.machine(node);
            renumber_record(Rc::make_mut(&mut machine.record), &numbers);
            if let Some(epoch) = &mut Rc::make_mut(&mut machine.configuration).epoch {
                let epoch: &mut Epoch = Rc::make_mut(epoch);
                renumber(&mut epoch.claim, &numbers);
            }
            for standing in [&mut machine.attributes.standing, &mut machine.attributes.heard] {
                if let Some(standing) = standing {
                    let standing: &mut Standing = Rc::make_mut(standing);
                    standing.resigned = standing.resigned.map(|number| numbers[&number]);
                }
            }
        }
    }
}

fn renumber_record(record: &mut Record, numbers: &Numbers) {
    renumber(&mut record.claim, numbers);
    if let Some(resigned) = &mut record.resigned {
        resigned.admission = numbers[&resigned.admission];
    }
}

fn renumber(claim: &mut Claim, numbers: &Numbers) {
    claim.admissions = numbers[&claim.admissions];
    for admission in claim.ackers.values_mut() {
        *admission = numbers[admission];
    }
}
