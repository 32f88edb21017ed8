//! What administrators do on an ordinary day: nothing is broken, and nothing must have to be repaired.

use super::Act;
use crate::family::{Words, both};
use crate::lab::Fault::{PowerOn, ShutDown};
use crate::script::Expect::{APrimary, NewPrimary, NoFailover, Says};
use crate::script::Step::{Cluster, Expect, Hit, Measure, Shell, Sql, Write};
use crate::script::Who::{Primary, Replica, Sibling};

const KILL_SERVER: Words = Words {
    mariadb: "pkill -KILL -x mariadbd",
    mysql: "pkill -KILL -x mysqld",
};

pub(super) const ACTS: &[Act] = &[
    Act {
        // The promotion waits until the server has stopped.
        name: "standby",
        story: "the primary's node is put on standby, and comes back",
        bound: 10,
        script: &[
            Cluster("crm_standby --node {primary} --update on"),
            Expect(NewPrimary),
            Cluster("crm_standby --node {primary} --delete"),
        ],
    },
    Act {
        name: "primary-shut-down",
        story: "the primary's node is shut down in good order, and started again",
        bound: 10,
        script: &[Hit(Primary, ShutDown), Expect(NewPrimary), Hit(Primary, PowerOn)],
    },
    Act {
        name: "cluster-shut-down",
        story: "all nodes are shut down in good order, the primary's last, and started again",
        bound: 20,
        script: &[
            Hit(Replica, ShutDown),
            Hit(Sibling, ShutDown),
            Hit(Primary, ShutDown),
            Measure,
            Hit(Sibling, PowerOn),
            Hit(Replica, PowerOn),
            Hit(Primary, PowerOn),
            Expect(APrimary),
        ],
    },
    Act {
        name: "restarted",
        story: "the database is restarted on all nodes by one command",
        bound: 20,
        script: &[
            Cluster("crm_resource --restart --resource db-clone >/dev/null"),
            Expect(APrimary),
        ],
    },
    Act {
        name: "parameter-changed",
        story: "a parameter that needs no restart is changed; then a replica's server is killed",
        bound: 2,
        script: &[
            Cluster("crm_resource --resource db --set-parameter max_lag --parameter-value 7s"),
            Expect(NoFailover(4)),
            // Pacemaker must still look at it.
            Shell(Replica, KILL_SERVER),
            Cluster("crm_resource --resource db --delete-parameter max_lag"),
            Expect(NoFailover(3)),
        ],
    },
    Act {
        // Pacemaker looks at nothing meanwhile. Without the refresh it would not begin again to look at a replica that was
        // degraded before: docs/operations.md.
        name: "maintenance",
        story: "the cluster is in maintenance while a replica's server is killed",
        bound: 3,
        script: &[
            Sql(Replica, both("STOP REPLICA SQL_THREAD")),
            Expect(Says(Replica, both("stopped by hand"))),
            Sql(Replica, both("START REPLICA SQL_THREAD")),
            Write(3),
            Cluster("crm_attribute --name maintenance-mode --update true"),
            Write(2),
            Shell(Replica, KILL_SERVER),
            Expect(NoFailover(3)),
            Cluster("crm_resource --refresh --resource db-clone && crm_attribute --name maintenance-mode --delete"),
            Expect(NoFailover(3)),
        ],
    },
];
