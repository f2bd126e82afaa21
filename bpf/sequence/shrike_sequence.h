/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Sequence scoring: what the agent gives its programs before load, and what it reads from their maps.
 * Same conventions as shrike_event.h.
 */
#ifndef SHRIKE_SEQUENCE_H
#define SHRIKE_SEQUENCE_H

#define SHRIKE_SEQUENCE_LENGTH 6

/*
 * A call in a sequence is 16 bits: where it came from, and its number there. The three ABIs have numbers of their own,
 * and io_uring's operations too: what was made to look alike must not be alike.
 */
enum shrike_sequence_origin {
	SHRIKE_SEQUENCE_64 = 0x0000,
	SHRIKE_SEQUENCE_32 = 0x1000,
	SHRIKE_SEQUENCE_X32 = 0x2000,
	SHRIKE_SEQUENCE_URING = 0x3000, /* number: enum io_uring_op */
	SHRIKE_SEQUENCE_START = 0xffff  /* nothing yet: the calls before the first */
};
#define SHRIKE_SEQUENCE_NUMBERS 0x0fff /* this number stands for it and all higher ones, which no ABI has */

/* One known 6-gram of one program. All zero: free. */
struct shrike_ngram {
	__u64 last;    /* the last four calls, the newest in the low 16 bits */
	__u32 first;   /* the two before them */
	__u32 program; /* index into `profiles`, never 0 */
};

/* A cache line. A 6-gram is in one of two buckets. */
#define SHRIKE_BUCKET_SLOTS 4
struct shrike_bucket {
	struct shrike_ngram slot[SHRIKE_BUCKET_SLOTS];
};

/* Where a 6-gram belongs: its two buckets are the low and the high half, by bucket_mask. `tag`: program << 32 | first. */
static inline __attribute__((always_inline)) __u64 shrike_ngram_hash(__u64 seed, __u64 last, __u64 tag)
{
	__u64 h = (last ^ seed) * 0x9e3779b97f4a7c15ull;

	h ^= h >> 32;
	h = (h ^ tag) * 0xff51afd7ed558ccdull;
	return h ^ h >> 29;
}

/* Which program: its executable object. A changed file is another program, because nobody can set ctime. */
struct shrike_program_key {
	__u64 inode;
	__u64 ctime_ns;
	__u64 image; /* 0; reserved for the container's image */
	__u32 device;
	__u32 pad;
};

enum shrike_profile_state {
	SHRIKE_PROFILE_SETTLED = 1 << 0, /* learned: what is new from now on is told */
	SHRIKE_PROFILE_FULL = 1 << 1,    /* has more 6-grams than it may: the rest is not known */
	SHRIKE_PROFILE_NEW = 1 << 2      /* first seen since the programs were loaded */
};

struct shrike_profile {
	struct shrike_program_key key;
	__u64 mtime_ns;
	__u64 learn_until_ns; /* boot clock */
	__u64 seen_ns;        /* boot clock */
	__u64 calls;          /* to a multiple of 64 a living thread */
	__u64 new_at_calls;   /* `calls` when the last 6-gram was added */
	__u64 told;           /* 6-grams reported */
	__u64 repeated;       /* not reported again */
	__u64 held_back;      /* beyond reports_per_s */
	__u64 second;         /* of the boot clock that in_second counts */
	__u32 in_second;
	__u32 ngrams;
	__u32 state; /* enum shrike_profile_state */
	__u32 uid;   /* owner of the executable */
};

/* Only grow. */
struct shrike_sequence_totals {
	__u64 calls;         /* scored, to a multiple of 64 a living thread */
	__u64 programs;      /* ids given away; those beyond programs_max are not scored */
	__u64 programs_full; /* executions that were not scored, because there were too many programs */
	__u64 learned;       /* 6-grams added */
	__u64 told;
	__u64 repeated;
	__u64 held_back;
	__u64 profile_full; /* 6-grams not added: the program has too many */
	__u64 table_full;   /* 6-grams not added: there is no room for any program */
	__u64 unstored;     /* calls not scored: no memory for the thread's window */
	__u64 excluded;     /* programs' starts in a cgroup that is left out */
};

/* Becomes `const volatile struct shrike_sequence_setup setup` in the object's read-only data. */
struct shrike_sequence_setup {
	__u64 seed;             /* random: nobody can choose 6-grams that fill one bucket */
	__u64 learn_ns;         /* a new program is learned at least so long */
	__u64 learn_calls;      /* ... and until so many calls brought nothing new */
	__u64 loaded_ns;        /* boot clock; threads older than that are in the middle of something */
	__u64 tell_again_ns;    /* the same 6-gram of the same program is reported again after this */
	__u32 bucket_mask;      /* buckets - 1 */
	__u32 programs_max;     /* with index 0, which is nobody's */
	__u32 program_ngrams;   /* at most so many for each */
	__u32 reports_per_s;    /* of each program */
	__u32 sample;           /* one thread of so many */
	__u32 excluded_cgroups; /* entries of `excluded` */
	__u32 always_learn;     /* 1: nothing is told */
	__u32 pad;
};

/*
 * Record SHRIKE_SEQUENCE. arg: what, the last four calls, the two before, 6-grams known of the program, how many of the
 * thread's last 64 calls ended an unknown one, the program's calls so far. The object is the executable.
 */
enum shrike_sequence_what {
	SHRIKE_SEQUENCE_NEW_PROGRAM = 1,
	SHRIKE_SEQUENCE_NEW_NGRAM = 2,
	SHRIKE_SEQUENCE_PROFILE_FULL = 3
};

#endif
