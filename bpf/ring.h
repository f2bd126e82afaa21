/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * The only file that touches the rings. A record is built in a scratch buffer of this core and then copied into its
 * ring whole:
 *
 *	struct scratch *s = record_begin(CONTEXT_TASK, SHRIKE_CHMOD);
 *	if (!s)
 *		return 0;
 *	record_task(&s->record, task);
 *	record_user_string(s, SHRIKE_S_PATH, pointer, SHRIKE_PATH_MAX);
 *	record_finish(s, SHRIKE_CLASS_FILE, tgid);
 */
#ifndef SHRIKE_RING_H
#define SHRIKE_RING_H

#include "call.h"
#include "maps.h"
#include "task.h"

#define SCRATCH_TEXT (SHRIKE_RECORD_MAX - sizeof(struct shrike_record))
#define SMALL_TEXT 256 /* signals and sockets have no text but a socket's path */

struct scratch {
	struct shrike_record record;
	/* What lies behind SHRIKE_RECORD_MAX is never sent: room for the helpers' and the verifier's worst case. */
	char text[SCRATCH_TEXT + SHRIKE_PATH_MAX];
};

struct small_scratch {
	struct shrike_record record;
	char text[SMALL_TEXT];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* CONTEXT_TASK, CONTEXT_ITER */
	__type(key, __u32);
	__type(value, struct scratch);
} scratches __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 2); /* CONTEXT_SIGNAL, CONTEXT_SOCKET */
	__type(key, __u32);
	__type(value, struct small_scratch);
} small_scratches __weak SEC(".maps");

static __always_inline void record_start(struct shrike_record *r, enum shrike_kind kind)
{
	__builtin_memset(r, 0, sizeof(*r));
	r->size = sizeof(*r);
	r->kind = kind;
	r->boot_ns = bpf_ktime_get_boot_ns();
	r->cpu = bpf_get_smp_processor_id();
	r->syscall = -1;
}

/* A zeroed record with kind, time and core; NULL never happens, but the verifier wants it asked. */
static __always_inline struct scratch *record_begin(enum context context, enum shrike_kind kind)
{
	__u32 key = context;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &key);

	if (s)
		record_start(&s->record, kind);
	return s;
}

/* The same for CONTEXT_SIGNAL and CONTEXT_SOCKET, which have no text. */
static __always_inline struct small_scratch *small_record_begin(enum context context, enum shrike_kind kind)
{
	__u32 key = context - CONTEXT_SIGNAL;
	struct small_scratch *s = bpf_map_lookup_elem(&small_scratches, &key);

	if (s)
		record_start(&s->record, kind);
	return s;
}

/* Number, flags, result and arguments of a system call. */
static __always_inline void record_call(struct shrike_record *r, const struct call *c, long ret)
{
	r->syscall = c->number;
	r->flags |= c->flags;
	r->result = call_result(c, ret);
#pragma unroll
	for (int i = 0; i < 6; i++)
		r->arg[i] = c->arg[i];
}

/* Where the next text goes; everything behind it is free up to SHRIKE_RECORD_MAX. */
static __always_inline __u64 text_used(const struct shrike_record *r)
{
	return at_most(r->size - sizeof(*r), SCRATCH_TEXT);
}

static __always_inline void record_span(struct shrike_record *r, enum shrike_span_index index, __u64 used, __u32 length,
					__u16 flags)
{
	struct shrike_span *span = &r->span[at_most(index, SHRIKE_SPANS - 1)];
	__u64 fits = at_most(length, SCRATCH_TEXT - used);

	if (fits != length)
		flags |= SHRIKE_SPAN_TRUNCATED;
	span->offset = sizeof(*r) + used;
	span->length = fits;
	span->flags = flags;
	r->size = sizeof(*r) + used + fits;
}

/*
 * The three ways to add text. Each ends its span before SHRIKE_RECORD_MAX and marks it truncated when there was more.
 * `max` is a constant of at most SHRIKE_PATH_MAX.
 */
static __always_inline void record_user_string(struct scratch *s, enum shrike_span_index index, __u64 user, __u32 max)
{
	__u64 used = text_used(&s->record);
	long n;

	n = read_user_string(s->text + used, max, user);
	if (n < 0) {
		record_span(&s->record, index, used, 0, SHRIKE_SPAN_USER | SHRIKE_SPAN_FAULT);
		return;
	}
	/* A string cut by the helper ends in NUL at `max` as well: whether there was more takes a look at the next byte. */
	char next = 0;
	__u16 flags = SHRIKE_SPAN_USER;

	if (n == max && (bpf_probe_read_user(&next, 1, (const void *)(user + max - 1)) || next))
		flags |= SHRIKE_SPAN_TRUNCATED;
	record_span(&s->record, index, used, n - 1, flags);
}

static __always_inline void record_kernel_string(struct scratch *s, enum shrike_span_index index, const void *kernel,
						 __u32 max)
{
	__u64 used = text_used(&s->record);
	long n;

	n = bpf_probe_read_kernel_str(s->text + used, max, kernel);
	if (n > 0)
		record_span(&s->record, index, used, n - 1, n == max ? SHRIKE_SPAN_TRUNCATED : 0);
}

/* `length` bytes of kernel memory, or of a map's value. */
static __always_inline void record_bytes(struct scratch *s, enum shrike_span_index index, const void *from, __u32 length,
					 __u16 flags)
{
	__u64 used = text_used(&s->record);
	__u64 n = at_most(length, SHRIKE_PATH_MAX);

	if (!length)
		return;
	if (length > SHRIKE_PATH_MAX)
		flags |= SHRIKE_SPAN_TRUNCATED;
	if (bpf_probe_read_kernel(s->text + used, n, from) == 0)
		record_span(&s->record, index, used, n, flags);
}

/* `length` bytes of user memory, at most `max`. */
static __always_inline void record_user_bytes(struct scratch *s, enum shrike_span_index index, __u64 user, __u64 length,
					      __u32 max)
{
	__u64 used = text_used(&s->record);
	__u16 flags = SHRIKE_SPAN_USER;
	__u64 n = at_most(length, max);

	if (!length)
		return;
	if (length > max)
		flags |= SHRIKE_SPAN_TRUNCATED;
	if (bpf_probe_read_user(s->text + used, n, (const void *)user)) {
		n = 0;
		flags |= SHRIKE_SPAN_FAULT;
	}
	record_span(&s->record, index, used, n, flags);
}

static __always_inline void count_lost(enum shrike_class class, enum shrike_lost cause)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct shrike_counters *c = bpf_map_lookup_elem(&counters, &cpu);

	if (c)
		__sync_fetch_and_add(&c->lost[class][cause], 1);
}

static __always_inline void count_sent(enum shrike_class class)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct shrike_counters *c = bpf_map_lookup_elem(&counters, &cpu);

	if (c)
		__sync_fetch_and_add(&c->sent[class], 1);
}

/*
 * A wake-up costs more than everything else here: an interrupt to this core, often another to the reader's. So only a
 * reader that has gone to sleep is woken, once; the first to see its word takes it back. One that saw it awake a moment
 * before leaves its record for the next, or for the reader's own look round (kernel_source.cc).
 */
static __always_inline __u64 *reader_asleep(void)
{
	__u32 key = 0;
	__u64 *word = bpf_map_lookup_elem(&asleep, &key);

	if (!word || !*(volatile __u64 *)word)
		return NULL;
	*word = 0;
	return word;
}

/* Lifecycle and privilege go into the reserved ring, file and network into the thread group's own. */
static __always_inline void record_output(struct shrike_record *r, enum shrike_class class, __u32 tgid, __u32 max)
{
	const bool sharded = class == SHRIKE_CLASS_FILE || class == SHRIKE_CLASS_NETWORK;
	__u32 shard = tgid & (filter.shards - 1);
	__u32 ring = sharded ? 1 + shard : 0;
	__u64 *sequence = bpf_map_lookup_elem(&sequences, &ring);
	__u64 *sleeper = reader_asleep();
	__u64 wake = sleeper ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP;
	long error = -1;

	if (sequence)
		r->sequence = __sync_fetch_and_add(sequence, 1);
	if (sharded) {
		void *map = bpf_map_lookup_elem(&shards, &shard);

		if (map)
			error = bpf_ringbuf_output(map, r, at_most(r->size, max), wake);
	} else if (class == SHRIKE_CLASS_LIFECYCLE ||
		   bpf_ringbuf_query(&reserved, BPF_RB_AVAIL_DATA) < filter.privilege_room) {
		error = bpf_ringbuf_output(&reserved, r, at_most(r->size, max), wake);
	}
	if (!error) {
		count_sent(class);
		return;
	}
	count_lost(class, error == -7 /* E2BIG */ ? SHRIKE_LOST_LARGE : SHRIKE_LOST_RING);
	if (sleeper)
		*sleeper = 1;
}

/*
 * A record that is made in the reserved ring itself, for programs that can be preempted and so have no buffer of a core.
 * NULL, and counted, when there is no room. What is begun must be finished.
 */
struct placed {
	struct shrike_record record;
	char text[PATH_END];
};

static __always_inline struct placed *placed_begin(enum shrike_kind kind)
{
	__u32 ring = 0;
	__u64 *sequence = bpf_map_lookup_elem(&sequences, &ring);
	__u64 number = sequence ? __sync_fetch_and_add(sequence, 1) : 0;
	struct placed *p = NULL;

	if (bpf_ringbuf_query(&reserved, BPF_RB_AVAIL_DATA) < filter.privilege_room)
		p = bpf_ringbuf_reserve(&reserved, sizeof(*p), 0);
	if (!p) {
		count_lost(SHRIKE_CLASS_PRIVILEGE, SHRIKE_LOST_RING);
		return NULL;
	}
	record_start(&p->record, kind);
	p->record.size = sizeof(*p);
	p->record.sequence = number;
	return p;
}

static __always_inline void placed_finish(struct placed *p)
{
	__u64 *sleeper = reader_asleep();

	count_sent(SHRIKE_CLASS_PRIVILEGE);
	bpf_ringbuf_submit(p, sleeper ? BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
}

static __always_inline void record_finish(struct scratch *s, enum shrike_class class, __u32 tgid)
{
	record_output(&s->record, class, tgid, SHRIKE_RECORD_MAX);
}

static __always_inline void small_record_finish(struct small_scratch *s, enum shrike_class class, __u32 tgid)
{
	record_output(&s->record, class, tgid, sizeof(*s));
}

#endif
