/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The trace of sandboxes: what the kernel side and the sandbox's process share. */
#ifndef SHRIKE_SANDBOX_H
#define SHRIKE_SANDBOX_H

#include <linux/types.h>

#define SANDBOX_SLOTS 64     /* sandboxes at once */
#define SANDBOX_NUMBERS 512  /* system call numbers, x86-64, with texts */
#define SANDBOX_TEXTS 2      /* of one call */
#define SANDBOX_TEXT_MAX 4096 /* bytes of one */

/* As CallKind in sandbox/call.h. */
enum sandbox_kind { SANDBOX_CALL = 0, SANDBOX_START, SANDBOX_EXEC, SANDBOX_EXIT, SANDBOX_SIGNAL };
enum sandbox_abi { SANDBOX_X86_64 = 0, SANDBOX_I386, SANDBOX_X32 };

/* The bits of CallFlag in sandbox/call.h that are known here. */
#define SANDBOX_F_DENIED 1    /* the filter refused it: it never reached the kernel proper */
#define SANDBOX_F_NO_RETURN 4
#define SANDBOX_F_MEMORY 8
#define SANDBOX_F_CUT 16
#define SANDBOX_F_LATE 32

/* How an argument is read. As TextHow in sandbox/call_texts.h. */
enum sandbox_how { SANDBOX_NOTHING = 0, SANDBOX_STRING, SANDBOX_STRINGS, SANDBOX_BYTES };

struct sandbox_text_plan {
	__u8 how;      /* enum sandbox_how */
	__u8 argument;
	__u8 length_argument;
	__u8 kind;     /* TextKind */
	__u16 most;    /* bytes, at most SANDBOX_TEXT_MAX */
	__u16 pad;
};
struct sandbox_call_plan {
	struct sandbox_text_plan text[SANDBOX_TEXTS];
};

/* One sandbox, written by user space before its program runs; counters by the kernel. */
struct sandbox_slot {
	__u64 seq;       /* things that happened so far: the next one's number */
	__u64 untraced;  /* threads for which there was no memory */
	__u32 init_tgid; /* of the sandbox's init, as the host has it: its own calls are not told */
	__u32 pad;
};

struct sandbox_text {
	__u8 kind; /* TextKind */
	__u8 pad;
	__u16 length;
};

/* Followed by `texts` times struct sandbox_text and its bytes, up to `size`. */
struct sandbox_record {
	__u32 size;
	__u8 kind;
	__u8 abi;
	__u16 flags;
	__s32 number;
	__u32 pid; /* thread group and thread as the program sees them */
	__u32 tid;
	__u32 texts;
	__u64 seq;
	__u64 time_ns; /* CLOCK_BOOTTIME */
	__s64 result;
	__u64 arg[6];
};

/* What a job's netns has to know: where its ports go. Keys of the map `sinks`. */
enum sandbox_sink { SANDBOX_TCP4 = 0, SANDBOX_TCP6, SANDBOX_UDP4, SANDBOX_UDP6, SANDBOX_SINKS };

#endif
