/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * What the programs count, in memory-mapped maps that the agent reads without a system call.
 * Same conventions as shrike_event.h. Per core, so add them up; they only grow.
 */
#ifndef SHRIKE_COUNTERS_H
#define SHRIKE_COUNTERS_H

#define SHRIKE_RINGS_MAX 65 /* the reserved one and at most 64 shards */

/* Programs with a heartbeat. A system call that nothing needs is not counted: that would cost more than it is worth. */
enum shrike_program {
	SHRIKE_ON_SYS_ENTER = 0,
	SHRIKE_ON_SYS_EXIT = 1,
	SHRIKE_ON_FORK = 2,
	SHRIKE_ON_EXEC = 3,
	SHRIKE_ON_EXIT = 4,
	SHRIKE_ON_SIGNAL = 5,
	SHRIKE_ON_TCP_STATE = 6,
	SHRIKE_ON_URING = 7,
	SHRIKE_ON_LSM = 8,
	SHRIKE_ON_DENY = 9,
	SHRIKE_PROGRAMS = 16
};

/* Words in the map `active`: what the agent switches while the programs run (settings.bpf.c). */
enum shrike_active {
	SHRIKE_ACTIVE_GENERATION = 0, /* of the programs that report */
	SHRIKE_ACTIVE_DENY = 1,       /* enum shrike_deny */
	SHRIKE_ACTIVE_WORDS = 2
};

/* What becomes of a call that is to be refused. */
enum shrike_deny {
	SHRIKE_DENY_OFF = 0,
	SHRIKE_DENY_TELL = 1, /* it is done, and told */
	SHRIKE_DENY_REFUSE = 2
};

/* What the program change_setting is run with. Returns 0, or an errno number. */
struct shrike_setting {
	__u32 what;  /* enum shrike_active, or SHRIKE_SET_OBJECTS */
	__u32 pad;
	__u64 value; /* of objects: the address of a struct shrike_objects, whose `current` does not count */
};
#define SHRIKE_SET_OBJECTS 64

/* Why a record that was wanted did not reach its ring. */
enum shrike_lost {
	SHRIKE_LOST_RING = 0,   /* the ring was full */
	SHRIKE_LOST_BUDGET = 1, /* its cgroup had used up its budget */
	SHRIKE_LOST_LARGE = 2,  /* larger than the ring: a ring set up too small */
	SHRIKE_LOST_CAUSES = 4
};

struct shrike_counters {
	__u64 runs[SHRIKE_PROGRAMS];                  /* enum shrike_program */
	__u64 sent[4];                                /* by enum shrike_class */
	__u64 lost[4][SHRIKE_LOST_CAUSES];            /* by enum shrike_class, enum shrike_lost */
	__u64 self;                                   /* the agent's own file and network events */
	__u64 pad[3];                                 /* whole cache lines */
};

#endif
