/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * What leaves the kernel: written by the agent before load, read by the BPF programs.
 * Same conventions as shrike_event.h.
 */
#ifndef SHRIKE_FILTER_H
#define SHRIKE_FILTER_H

#define SHRIKE_PREFIX_MAX 256 /* bytes of a path prefix that the kernel compares */
#define SHRIKE_NAME_MAX 32    /* bytes of a path component's name that the kernel compares, zero padded */

/* What is done to a path: bits of the masks below. */
enum shrike_access {
	SHRIKE_A_OPEN_READ = 1 << 0,
	SHRIKE_A_OPEN_WRITE = 1 << 1, /* O_WRONLY, O_RDWR, O_CREAT or O_TRUNC */
	SHRIKE_A_OPEN_FAILED = 1 << 2,
	SHRIKE_A_RENAME = 1 << 3,
	SHRIKE_A_UNLINK = 1 << 4,
	SHRIKE_A_LINK = 1 << 5,
	SHRIKE_A_SYMLINK = 1 << 6,
	SHRIKE_A_MKDIR = 1 << 7,
	SHRIKE_A_RMDIR = 1 << 8,
	SHRIKE_A_CHMOD = 1 << 9,
	SHRIKE_A_CHOWN = 1 << 10,
	SHRIKE_A_TRUNCATE = 1 << 11,
	SHRIKE_A_SETXATTR = 1 << 12
};

/* LPM trie key: path prefix; `bits` = 8 * its length. The value is an access mask that already
 * holds those of every shorter prefix of the same text. */
struct shrike_prefix {
	__u32 bits;
	char text[SHRIKE_PREFIX_MAX];
};

/* Hash key: the name of one component, zero padded. */
struct shrike_name {
	char text[SHRIKE_NAME_MAX];
};
/* ... and its value: access masks for "any component has this name" and "the last one has". */
struct shrike_name_access {
	__u32 any;
	__u32 last;
};

/*
 * One hash each over what the maps hold, so that most look-ups need not be made: by the hash's value, the access masks of
 * everything in the map that has it, joined.
 *   prefixes: shrike_prefix_hash(first four bytes, little endian); one shorter than that stands under every value.
 *   names: shrike_name_hash(first eight bytes, little endian and zero padded; length, at most SHRIKE_NAME_MAX).
 */
#define SHRIKE_PREFIX_HASHES 1024
#define SHRIKE_NAME_HASHES 2048

static inline __attribute__((always_inline)) __u32 shrike_prefix_hash(__u32 first)
{
	return first * 0x9e3779b1u >> 22;
}
static inline __attribute__((always_inline)) __u32 shrike_name_hash(__u64 first, __u32 length)
{
	return (__u32)((first + length) * 0x9e3779b97f4a7c15ull >> 53);
}

/*
 * Files that rules name as objects: by device and inode, whatever name led to them. Unlike the rest of the filter the
 * agent changes them while the programs run, because files are replaced: in `objects` are two tables, and
 * the first one's `current` tells which of them counts while the other is written (settings.bpf.c).
 */
#define SHRIKE_OBJECT_SLOTS 4096
#define SHRIKE_OBJECT_PROBES 16 /* an object stands in one of so many slots from shrike_object_hash() on */
#define SHRIKE_OBJECT_FOLDER (1u << 31)
#define SHRIKE_OBJECT_LIKELY 64 /* words of a mask over the inodes, by shrike_inode_hash() */

struct shrike_object_slot {
	__u64 inode;
	__u32 device; /* kernel's dev_t, as in struct shrike_object */
	__u32 sets;   /* bit per set of objects it is in; 0: an empty slot */
	__u32 access; /* what is wanted of it */
	__u32 below;  /* a folder: what is wanted of everything below it, which is in its sets too; bit 31 marks a folder */
};
struct shrike_objects {
	__u32 current; /* of the first table only: 0 or 1 */
	__u32 access;  /* access masks: union over the slots, of both kinds; 0: there are no objects */
	__u32 below;   /* union over the slots */
	__u32 folders; /* 1: some slots are folders, which stand for all that is below them */
	__u64 likely[SHRIKE_OBJECT_LIKELY];
	struct shrike_object_slot slots[SHRIKE_OBJECT_SLOTS];
};

static inline __attribute__((always_inline)) __u32 shrike_inode_hash(__u64 inode)
{
	return (__u32)(inode * 0x9e3779b97f4a7c15ull >> 52); /* one of 64 * SHRIKE_OBJECT_LIKELY bits */
}
static inline __attribute__((always_inline)) __u32 shrike_object_hash(__u64 inode, __u32 device)
{
	return (__u32)((inode + ((__u64)device << 40)) * 0x9e3779b97f4a7c15ull >> 40) % SHRIKE_OBJECT_SLOTS;
}

#define SHRIKE_NEVER_SET (1u << 31) /* the set of programs whose processes nothing is refused to; no rule's */

/* What is refused (bpf/deny): all that is asked of one call at once. */
struct shrike_denial {
	__u64 rule;   /* its number, in the event */
	__u32 sets;   /* of objects: the file, or the program, is in one of these */
	__u32 only;   /* of executables: 0, or the process's is in one of these */
	__u32 exempt; /* of executables: the process's is in none of these */
	__u32 access; /* enum shrike_access but for opens, and SHRIKE_TRIED_EXEC */
	__u32 opens;  /* bit n: opens with O_ACCMODE n */
	__u32 pad;
};
#define SHRIKE_TRIED_OPEN (1u << 16)
#define SHRIKE_TRIED_EXEC (1u << 17) /* exec, or to map it as code */
#define SHRIKE_DENIALS_MAX 32

/* Becomes `const volatile struct shrike_denials denials` in the read-only data of bpf/deny. */
struct shrike_denials {
	__u32 count;
	__u32 sets; /* of all of them */
	struct shrike_denial of[SHRIKE_DENIALS_MAX];
};

/* Becomes `const volatile struct shrike_filter filter` in the objects' read-only data. */
struct shrike_filter {
	__u64 kinds[2];        /* bit k: kind k leaves the kernel */
	__u64 success_only[2]; /* bit k: only when the call succeeded */
	__u32 any_path;        /* access mask: these leave whatever their path is */
	__u32 prefix_access;   /* access mask: union over the trie; 0 skips the look-up */
	__u32 name_access;     /* the same for names */
	__u32 self_tgid;       /* the agent: its file and network events stay in the kernel */
	__u64 budget_per_s;    /* events per second and cgroup, but for lifecycle; privilege has an account of its own; 0: no limit */
	__u64 budget_burst;
	__u32 shards;          /* power of two */
	__u32 pad;
	__u64 privilege_room;  /* bytes of the reserved ring that privilege and integrity may fill; the rest is lifecycle's */
	__u64 seed;            /* random: keys the hash of long arguments */
	__u16 prefix_hashes[SHRIKE_PREFIX_HASHES];
	__u16 name_hashes[SHRIKE_NAME_HASHES];
};

#endif
