/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* What a handler of a call with paths does: judge each path, and write those that leave. */
#ifndef SHRIKE_JUDGE_H
#define SHRIKE_JUDGE_H

#include "entry.h"

/* The agent's own call: not reported, but counted, as the heartbeat of the programs that would have. */
static __always_inline void count_self(void)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct shrike_counters *n = bpf_map_lookup_elem(&counters, &cpu);

	if (n)
		__sync_fetch_and_add(&n->self, 1);
}

/* The note that an LSM hook made in the call that ends now, once; NULL when there is none. */
static __always_inline struct note *noted(struct task_struct *task, const struct call *c)
{
	struct note *n;

	if (!lsm_active)
		return NULL;
	n = bpf_task_storage_get(&notes, task, 0, 0);
	if (!n || n->call != c->id)
		return NULL;
	n->call = SHRIKE_CALL_none;
	return n;
}

static __always_inline struct work *working_room(void)
{
	__u32 key = CONTEXT_TASK;

	return bpf_map_lookup_elem(&works, &key);
}

/* The walk at `room`, blank but for what is asked. */
static __always_inline struct walk *fresh_walk(struct walk *room, __u32 asked)
{
	__builtin_memset(room, 0, sizeof(*room));
	room->asked = asked;
	return room;
}

/*
 * What of walk->asked the path as given (behind GIVEN) is wanted for, made absolute by the path of walk->from, which is what a
 * relative one is relative to, or nowhere. `strict`: no object's own path was judged, so what cannot be compared as
 * text must leave. Global for the verifier's sake, as walk_path.
 */
__weak __noinline __u32 given_access(__u32 which, struct given *g, struct walk *walk, __u32 strict)
{
	__u32 into = which ? INTO_SECOND : INTO_FIRST;
	__u32 access = 0, at = GIVEN, length;
	char *text = walk_text(into);

	if (!g || !walk || !text)
		return ~0u;
	length = g->length;
	if (g->length < 0)
		return strict ? ~0u : 0;
	if (!g->absolute) {
		if (!walk->from.dentry)
			return strict ? ~0u : 0;
		walk_path(into, walk);
		access |= walk->name_access;
		if (walk->cut)
			return ~0u;
		/* Below "/" the separator is all there is of the base. */
		at = walk->start < PATH_END - 1 ? walk->start : PATH_END;
		length += GIVEN - at;
		text[PATH_END] = '/';
	}
	access |= scan_given(which, g, walk->asked);
	if (g->odd)
		return strict ? ~0u : access;
	if (filter.prefix_access)
		access |= prefix_access(text, at, length, *(__u32 *)(text + at), walk->asked);
	return access;
}

/* Writes BASE: walks it unless given_access has. */
static __always_inline void record_base(enum shrike_span_index index, __u32 which,
					struct given *g, struct walk *walk)
{
	__u32 into = which ? INTO_SECOND : INTO_FIRST;

	if (g->absolute || !walk->from.dentry)
		return;
	if (!walk->start)
		walk_path(into, walk);
	record_walk(index, into, walk);
}

#endif
