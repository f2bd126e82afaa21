/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Every map. Weak: each object that includes this defines them, and linking makes one of them.
 *
 *   shared by all generations (the loader re-uses the old ones' fds): reserved, shards, sequences, counters, active,
 *   asleep, owner, ancestors, ended, entries, notes, refused, budgets; its own per generation: the rest. All but the rings and `asleep` are frozen
 *   against user space once filled: what is changed later, a program of ours changes (settings.bpf.c).
 */
#ifndef SHRIKE_MAPS_H
#define SHRIKE_MAPS_H

#include "kernel.h"
#include "shrike_counters.h"
#include "shrike_event.h"
#include "shrike_filter.h"

/* Whose buffers: one set per kind of context, because one may interrupt the other on the same core. */
enum context {
	CONTEXT_TASK = 0, /* system calls, fork, exec, exit, io_uring: never inside each other */
	CONTEXT_ITER,     /* the task iterator: can be preempted */
	CONTEXT_SIGNAL,   /* signal_generate: also from interrupts */
	CONTEXT_SOCKET,   /* inet_sock_set_state: also from soft interrupts */
};

/* Lifecycle, privilege and integrity. The loader sets the real size. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
} reserved __weak SEC(".maps");

struct shard_ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
};

/* File and network, by thread group. The loader sets max_entries to filter.shards and puts the rings in. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct shard_ring);
} shards __weak SEC(".maps");

/* Next sequence number of each ring: 0 the reserved one, 1 + n shard n. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SHRIKE_RINGS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} sequences __weak SEC(".maps");

/* One per core: the loader sets max_entries to the number of possible ones. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct shrike_counters);
} counters __weak SEC(".maps");

/* By enum shrike_active. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, SHRIKE_ACTIVE_WORDS);
	__type(key, __u32);
	__type(value, __u64);
} active __weak SEC(".maps");

/*
 * 1: the reader of the rings sleeps and wants to be woken (ring.h); the program that wakes it takes it back. The only word
 * that user space writes through a mapping, hundreds of times a second: whoever else writes it delays the reader by its own
 * patience, and no more.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} asleep __weak SEC(".maps");

/* Whose the programs are: the thread group that changed a setting first, which is before anything runs. */
struct owner {
	__u64 start_ns; /* 0: nobody's yet */
	__u32 tgid;
	__u32 pad;
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct owner);
} owner __weak SEC(".maps");

/* Handlers of system calls by enum shrike_call: dispatch.bpf.c jumps into them. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, 256);
	__type(key, __u32);
	__type(value, __u32);
} on_enter __weak SEC(".maps"), on_exit __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
	__type(key, struct shrike_prefix);
	__type(value, __u32); /* enum shrike_access */
} prefixes __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_RDONLY_PROG);
	__type(key, struct shrike_name);
	__type(value, struct shrike_name_access);
} names __weak SEC(".maps");

/* The agent's ancestors, to which nothing is refused: seen when refusing was switched on last. */
#define ANCESTORS_MAX 32
struct ancestors {
	struct owner of[ANCESTORS_MAX]; /* up to the first that is nobody */
};
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct ancestors);
} ancestors __weak SEC(".maps");

/* Files named as objects: two tables (shrike_filter.h), written by settings.bpf.c while programs run. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct shrike_objects);
} objects __weak SEC(".maps");

/* What is left of each cgroup's events per second (by v2 id). The least recently used ones start afresh. */
struct budget {
	__u64 updated_ns;
	__s64 left;
};
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, struct budget);
} budgets __weak SEC(".maps");

/* By thread group leader, where the kernel does not tell the last thread of a process (process.bpf.c): 1: it was told. */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, __u64);
} ended __weak SEC(".maps");

/* Path arguments as they were when the call was entered (entry.h). */
#define ENTRY_TEXT 256
struct entry {
	__u32 call; /* enum shrike_call, 0: nothing kept */
	__s32 length[2];
	__u32 pad;
	__u64 rest[2]; /* hash of what did not fit */
	char text[2][ENTRY_TEXT + 8];
};
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct entry);
} entries __weak SEC(".maps");

#define PATH_END 4096 /* where a walked path ends */
#define PATH_FIRST 8  /* and the first byte one may use: an LPM key's length stands before it */
#define GIVEN (PATH_END + 1)

/* base, '/', path as given, and room for an LPM key's worth behind it. */
struct path_buffer {
	char text[GIVEN + SHRIKE_PATH_MAX + 512];
};
/* Only a walked path. */
struct walk_buffer {
	char text[PATH_END + 512];
};

/*
 * What an LSM hook has found of the call a task is in (lsm/lsm.bpf.c), for the call's exit, where the result is known.
 * With its own buffers, because a hook can be preempted.
 */
struct noted_path {
	__u32 start; /* the path is walked.text[start .. PATH_END), empty when there is none */
	__u32 cut;   /* 1: the root's side is missing */
	__u32 access; /* what it is wanted for */
	__u32 pad;
	struct walk_buffer walked;
};
/* The path of what is refused to a task (deny/deny.bpf.c). */
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct walk_buffer);
} refused __weak SEC(".maps");

struct note {
	__u32 call; /* enum shrike_call it was made in, 0: taken */
	__u32 sets; /* of objects that it is in */
	struct shrike_object object;
	struct noted_path path[2];
};
struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct note);
} notes __weak SEC(".maps");

/*
 * Where a path begins, as numbers: to the verifier, pointers that came by different ways are of different types. It
 * forgets those types only when the struct is handed to a function by address, so do that before reading it.
 */
struct place {
	__u64 vfs;    /* struct vfsmount */
	__u64 dentry; /* struct dentry; 0: nowhere */
};

struct walk {
	struct place from; /* in */
	struct place stop; /* in: a directory to take note of on the way, or nowhere */
	__u16 asked;       /* in: which access the names of the components are to be asked about */
	__u16 start;       /* 0: not walked yet; the path is text[start .. PATH_END); at least "/" unless there is none */
	__u16 at_stop;     /* where the path below `stop` begins, 0 when the walk did not pass it */
	__u16 cut;         /* 1: deeper or longer than there is room for, the root's side is missing */
	__u32 name_access; /* what the names of the components are wanted for, of `asked` */
	__u32 first;       /* the path's first four bytes */
};

/* A path as given, standing behind GIVEN in its buffer. */
struct given {
	__s32 length;   /* negative: could not be read */
	__u8 absolute;
	__u8 cut;       /* longer than SHRIKE_PATH_MAX */
	__u8 odd;       /* scan_given: "..", "." or "//" inside, or very long: not comparable as text */
	__u8 pad;
};

/* An argument of a system call that is a path. */
struct path_argument {
	__u64 user; /* pointer to the string; 0: the call has none */
	__s32 dirfd;
};

/*
 * Room to put paths together, and what is known of them: CONTEXT_TASK, CONTEXT_ITER. Not on the stack, of which there are
 * 512 bytes for all that call each other (budget_test.cc).
 */
struct work {
	struct walk_buffer real;
	struct path_buffer path[2];
	struct walk object;  /* of the object itself */
	struct walk base[2]; /* of what paths as given are relative to */
	struct path_argument argument[2];
	struct given given[2];
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct work);
} works __weak SEC(".maps");

#endif
