//! The primary's disk is full, hangs, or takes no more writes.
//!
//! A disk that hangs or is read-only is what the server's system calls make of it: a real one that hangs would keep a
//! container from being switched off, and containers cannot have one that turns read-only under a running server.

use super::{Act, KEEP_REPLICA_AWAY, LET_REPLICA_COME};
use crate::family::{Words, both};
use crate::script::Expect::{NewPrimary, PrimaryOn, Whole};
use crate::script::Step::{CleanUp, Cluster, Expect, Measure, Move, Shell, Write};
use crate::script::Who::{Primary, Replica};

/// The data, on a disk in memory with little room left.
const ONTO_SMALL_DISK: Words = both(
    "size=$(($(du --summarize --block-size=1M /var/lib/mysql | cut --fields=1) + 40)) && \
     mount -t tmpfs -o size=${size}m,mode=755,uid=mysql,gid=mysql tmpfs /mnt && \
     cp --archive /var/lib/mysql/. /mnt/ && mount --bind /mnt /var/lib/mysql",
);
const FILL_DISK: Words = both("cat /dev/zero >/var/lib/mysql/filler || test -s /var/lib/mysql/filler");
const MAKE_ROOM: Words = both("rm /var/lib/mysql/filler");
/// What was there before comes back, and is behind.
const BACK_TO_OLD_DISK: Words = both("umount --lazy /var/lib/mysql && umount --lazy /mnt");

const DISK_HANGS: Words = both(
    "(setsid strace -f -p $(pgrep --exact 'mariadbd|mysqld') -o /dev/null -e trace=fsync,fdatasync \
     -e inject=fsync,fdatasync:delay_enter=60s >/dev/null 2>&1 &)",
);
const DISK_READ_ONLY: Words = both(
    "(setsid strace -f -p $(pgrep --exact 'mariadbd|mysqld') -o /dev/null \
     -e trace=fsync,fdatasync,pwrite64,write,ftruncate,fallocate \
     -e inject=fsync,fdatasync,pwrite64,write,ftruncate,fallocate:error=EROFS >/dev/null 2>&1 &)",
);

pub(super) const ACTS: &[Act] = &[
    Act {
        name: "disk-full",
        story: "the primary's disk is full",
        bound: 12,
        script: &[
            KEEP_REPLICA_AWAY,
            Shell(Replica, ONTO_SMALL_DISK),
            LET_REPLICA_COME,
            Expect(Whole),
            Move(Replica),
            Expect(PrimaryOn(Replica)),
            Cluster("crm_resource --clear --resource db-clone"),
            Write(1),
            Measure,
            Shell(Replica, FILL_DISK),
            Expect(NewPrimary),
            CleanUp,
            Shell(Replica, MAKE_ROOM),
            KEEP_REPLICA_AWAY,
            Shell(Replica, BACK_TO_OLD_DISK),
            LET_REPLICA_COME,
        ],
    },
    Act {
        // Nothing can end a server that waits for its disk: its node is fenced.
        name: "disk-hangs",
        story: "the primary's disk does not answer any more",
        bound: 40,
        script: &[Shell(Primary, DISK_HANGS), Expect(NewPrimary)],
    },
    Act {
        name: "disk-read-only",
        story: "the primary's disk takes no writes any more",
        bound: 10,
        script: &[Shell(Primary, DISK_READ_ONLY), Expect(NewPrimary)],
    },
];
