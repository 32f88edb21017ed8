//! Replication over TLS.

use super::Act;
use crate::family::both;
use crate::lab::Fault::Kill;
use crate::script::Expect::{APrimary, NewPrimary, Whole};
use crate::script::Step::{CleanUp, Cluster, Expect, Hit, Measure, Sql};
use crate::script::Who::Successor;

pub(super) const ACTS: &[Act] = &[Act {
    // Other parameters restart the whole clone: what is measured begins when it serves again.
    name: "replication-account-requires-tls",
    story: "replicas may only connect with TLS; the primary's server is killed",
    bound: 6,
    script: &[
        Cluster(
            "crm_resource --resource db --set-parameter replication_ssl_verify --parameter-value false && \
             crm_resource --resource db --set-parameter replication_ssl --parameter-value true && (crm_resource --wait --timeout 15 || true)",
        ),
        Expect(APrimary),
        Sql(Successor, both("ALTER USER replica@'%' REQUIRE SSL")),
        Expect(Whole),
        Measure,
        Hit(Successor, Kill),
        Expect(NewPrimary),
        Expect(Whole),
        CleanUp,
        Sql(Successor, both("ALTER USER replica@'%' REQUIRE NONE")),
        Cluster(
            "crm_resource --resource db --delete-parameter replication_ssl && \
             crm_resource --resource db --delete-parameter replication_ssl_verify && (crm_resource --wait --timeout 15 || true)",
        ),
        Expect(APrimary),
    ],
}];
