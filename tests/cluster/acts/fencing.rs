//! Devices that fail, requests that cross each other.

use super::Act;
use crate::family::both;
use crate::lab::Fault::PowerOff;
use crate::script::Expect::{APrimary, NewPrimary, Nobody};
use crate::script::Step::{CleanUp, Cluster, Expect, Hit, Shell, Write};
use crate::script::Who::{Primary, Replica, Sibling};

/// A container engine of a node's own, at /run/engine.sock: this script answers each connection. The shell is named
/// because nothing in the node's /run can be executed by itself.
macro_rules! engine {
    ($script:literal) => {
        concat!(
            "cat >/run/engine.sh <<'SCRIPT'\n",
            $script,
            r#"
SCRIPT
            setsid socat UNIX-LISTEN:/run/engine.sock,fork EXEC:'bash /run/engine.sh' </dev/null >/dev/null 2>&1 &
            echo $! >/run/engine.pid
            until [ -S /run/engine.sock ]; do sleep 0.01; done"#
        )
    };
}

/// It lets itself be looked at, and never answers about a container.
const SILENT_ENGINE: &str = engine!(
    r#"read -r line
echo "$line" >>/run/engine.log
case $line in
    *version*) body='{"ApiVersion":"1.41","MinAPIVersion":"1.12"}' ;;
    *all=1*) body='[]' ;;
    *) exec sleep 60 ;;
esac
printf 'HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s' "${#body}" "$body""#
);
/// The real one, which does at once what it is told, and answers a second later.
const LATE_ENGINE: &str =
    engine!("tee --append /run/engine.log | socat - UNIX-CONNECT:/run/docker.sock | { sleep 1; exec cat; }");
/// A node that was switched off since has none.
const NO_ENGINE: &str = "kill $(cat /run/engine.pid) && rm -f /run/engine.*";

const THREE_LEVELS: &str = "crm configure primitive wrong stonith:fence_baton \
    params backend=docker pcmk_host_map='n1:nobody1;n2:nobody2;n3:nobody3' && \
    crm configure primitive silent stonith:fence_baton \
    params backend=docker docker_socket=/run/engine.sock pcmk_host_list='n1 n2 n3' power_timeout=2 login_timeout=1 && \
    crm configure fencing_topology pattern:n[123] wrong silent fence && (crm_resource --wait --timeout 15 || true)";
const ONE_DEVICE: &str = "cibadmin --delete-all --force --xpath //fencing-topology && \
    crm --force configure delete wrong silent && (crm_resource --wait --timeout 15 || true)";

const LATE_DEVICE: &str = "stonith_admin --cleanup --history {primary} && \
    crm_resource --resource fence --set-parameter docker_socket --parameter-value /run/engine.sock && \
    (crm_resource --wait --timeout 15 || true) && crm_mon --one-shot | grep -q 'fence.*Started'";
const PUNCTUAL_DEVICE: &str = "crm_resource --resource fence --delete-parameter docker_socket && \
    (crm_resource --wait --timeout 15 || true)";

/// Nobody waits as long for his own end as for another's.
const DIFFERENT_DELAYS: &str = "crm_resource --resource fence --set-parameter pcmk_delay_base \
    --parameter-value 'n1:1s;n2:3s;n3:5s' && (crm_resource --wait --timeout 15 || true)";
const NO_DELAYS: &str = "crm_resource --resource fence --delete-parameter pcmk_delay_base && \
    (crm_resource --wait --timeout 15 || true)";

const ONLY_THE_PRIMARY: &str = "crm configure location fence-not-replica fence -inf: {replica} && \
    crm configure location fence-not-sibling fence -inf: {sibling} && (crm_resource --wait --timeout 15 || true)";
const EVERYBODY: &str = "crm --force configure delete fence-not-replica fence-not-sibling";

/// Both wait for the same moment of their common clock.
const SHOOT_REPLICA: &str = "(while [ $(( $(date +%s) % 10 )) != 0 ]; do sleep 0.01; done; \
    exec stonith_admin --reboot {replica}) >/dev/null 2>&1 &";
const SHOOT_PRIMARY: &str = "(while [ $(( $(date +%s) % 10 )) != 0 ]; do sleep 0.01; done; \
    exec stonith_admin --reboot {primary}) >/dev/null 2>&1 &";

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "fencing-third-level",
        story: "power off, and the first device does not know the node, the second never answers: the third is asked",
        bound: 25,
        script: &[
            Shell(Primary, both(SILENT_ENGINE)),
            Shell(Replica, both(SILENT_ENGINE)),
            Shell(Sibling, both(SILENT_ENGINE)),
            Cluster(THREE_LEVELS),
            Hit(Primary, PowerOff),
            Expect(NewPrimary),
            CleanUp,
            Cluster("grep -q '/containers/{primary}/json' /run/engine.log"),
            Cluster(ONE_DEVICE),
            Shell(Replica, both(NO_ENGINE)),
            Shell(Sibling, both(NO_ENGINE)),
        ],
    },
    Act {
        // About 8 s. On a machine with much to do, Pacemaker does one thing at a time: if the node that is lost was the one
        // that monitored the device, the promotion waits until another one does.
        name: "fencing-answers-late",
        story: "power off, and the device takes a second for each answer",
        bound: 25,
        script: &[
            Shell(Primary, both(LATE_ENGINE)),
            Shell(Replica, both(LATE_ENGINE)),
            Shell(Sibling, both(LATE_ENGINE)),
            Cluster(LATE_DEVICE),
            Hit(Primary, PowerOff),
            Expect(NewPrimary),
            CleanUp,
            Cluster("stonith_admin --history {primary} --verbose | grep -q 'reboot of {primary} successful'"),
            Cluster("grep -q 'GET .*-{primary}/json' /run/engine.log && grep -q 'POST .*/start' /run/engine.log"),
            Cluster(PUNCTUAL_DEVICE),
            Shell(Replica, both(NO_ENGINE)),
            Shell(Sibling, both(NO_ENGINE)),
        ],
    },
    Act {
        // Pacemaker asks the target itself only when nobody else can do it.
        name: "fencing-asked-by-the-target",
        story: "the primary's node asks to be fenced, and another one does it",
        bound: 20,
        script: &[
            Shell(Primary, both("stonith_admin --reboot {primary} >/dev/null 2>&1 &")),
            Expect(NewPrimary),
            CleanUp,
            Cluster(
                "stonith_admin --history {primary} --verbose | grep -q 'reboot of {primary} successful: delegate=n[123]' && \
                ! stonith_admin --history {primary} --verbose | grep -q 'delegate={primary}'",
            ),
        ],
    },
    Act {
        // Pacemaker does not refuse it. The node is off then, but the answer died with it: no proof, no promotion.
        name: "fencing-only-by-the-target",
        story: "the primary's node fences itself, as nobody else can: nobody is promoted until somebody else can prove it",
        bound: 45,
        script: &[
            Cluster(ONLY_THE_PRIMARY),
            Shell(
                Primary,
                both("stonith_admin --reboot {primary} --timeout 10 >/dev/null 2>&1 &"),
            ),
            Expect(Nobody(15)),
            Cluster("crm_mon --one-shot | grep -q 'Node {primary}: UNCLEAN'"),
            Cluster(EVERYBODY),
            Expect(NewPrimary),
            CleanUp,
        ],
    },
    Act {
        // Without the delays both orders may be carried out, each by the node that the other one hits: nobody is left to
        // switch them on again.
        name: "fencing-each-other",
        story: "the primary's node and a replica's have each other fenced at the same moment, with different delays",
        bound: 60,
        script: &[
            Cluster(DIFFERENT_DELAYS),
            Shell(Primary, both(SHOOT_REPLICA)),
            Shell(Replica, both(SHOOT_PRIMARY)),
            // Whoever was hit, and it may be both, one after the other: the act begins when that is over.
            Write(17),
            Expect(APrimary),
            CleanUp,
            Cluster(NO_DELAYS),
        ],
    },
];
