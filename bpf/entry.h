/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Path arguments at the entry of a call and at its exit. Between the two, another thread may have written what the
 * kernel did not see, or no longer sees: a difference is an event of its own. What could not be read at entry (not
 * yet in memory) is not compared.
 */
#ifndef SHRIKE_ENTRY_H
#define SHRIKE_ENTRY_H

#include "arguments.h"
#include "filter.h"
#include "ring.h"

/*
 * Hash of what stands behind the first ENTRY_TEXT bytes of a path as given. Keyed, or one could write a path that
 * collides with another. A global function: the verifier looks at its loop once, not at every call.
 */
__weak __noinline __u64 hash_rest(__u32 which, __u32 length)
{
	__u32 key = CONTEXT_TASK;
	struct work *w = bpf_map_lookup_elem(&works, &key);
	__u64 h = filter.seed;

	if (!w)
		return 0;
	for (__u32 i = ENTRY_TEXT; i < SHRIKE_PATH_MAX && i < length; i += 8) {
		h = (h ^ *(const __u64 *)(w->path[which & 1].text + GIVEN + i)) * 0x9e3779b97f4a7c15ull;
		h ^= h >> 29;
	}
	return h;
}

/* Texts are compared and hashed by eight bytes: what follows the last one must be zero. */
static __always_inline void pad_text(char *text, __u32 length)
{
	*(__u64 *)(text + length) = 0;
}

/* Reads a path argument behind GIVEN. */
static __always_inline void read_given(struct path_buffer *buffer, __u64 user, struct given *g)
{
	long n = user ? bpf_probe_read_user_str(buffer->text + GIVEN, SHRIKE_PATH_MAX, (const void *)user) : -1;

	g->length = -1;
	if (n > 0 && n <= SHRIKE_PATH_MAX) {
		g->length = n - 1;
		pad_text(buffer->text + GIVEN, n - 1);
	}
	g->absolute = n > 1 && buffer->text[GIVEN] == '/';
	g->cut = n == SHRIKE_PATH_MAX;
	g->odd = false;
}

/* The same at entry, into the task's storage. */
static __always_inline void keep(struct entry *e, int which, __u64 user)
{
	long n;

	e->length[which] = -1;
	if (!user)
		return;
	n = bpf_probe_read_user_str(e->text[which], ENTRY_TEXT, (const void *)user);
	if (n <= 0 || n > ENTRY_TEXT)
		return;
	e->length[which] = n - 1;
	pad_text(e->text[which], n - 1);
	if (n == ENTRY_TEXT) {
		__u32 key = CONTEXT_TASK;
		struct work *w = bpf_map_lookup_elem(&works, &key);
		struct given g;

		if (!w)
			return;
		read_given(&w->path[which], user, &g);
		e->length[which] = g.length;
		e->rest[which] = hash_rest(which, g.length);
		/* The helper ends its copy in NUL: put back the byte that stood there. */
		e->text[which][ENTRY_TEXT - 1] = w->path[which].text[GIVEN + ENTRY_TEXT - 1];
	}
}

/* The kept arguments of the call that ends now, once; NULL when there are none. */
static __always_inline struct entry *kept(struct task_struct *task, const struct call *c)
{
	struct entry *e;

	if (!kind_wanted(SHRIKE_TOCTOU))
		return NULL;
	e = bpf_task_storage_get(&entries, task, 0, 0);
	if (!e || e->call != c->id)
		return NULL;
	e->call = SHRIKE_CALL_none;
	return e;
}

/* Is the argument that now stands behind GIVEN another than at entry? Global for the verifier's sake, as walk_path. */
__weak __noinline int changed(struct entry *e, __u32 which, __s32 length)
{
	__u32 key = CONTEXT_TASK;
	struct work *w = bpf_map_lookup_elem(&works, &key);
	const char *now, *then;

	if (!w || !e || length < 0)
		return 0;
	which &= 1;
	if (e->length[which] < 0)
		return 0;
	if (e->length[which] != length)
		return 1;
	now = w->path[which].text + GIVEN;
	then = e->text[which];
	for (__s32 i = 0; i < ENTRY_TEXT; i += 8) {
		if (i >= length)
			return 0;
		if (*(const __u64 *)(then + i) != *(const __u64 *)(now + i))
			return 1;
	}
	return length > ENTRY_TEXT && hash_rest(which, length) != e->rest[which];
}

/* The path a walk has left in `into`. */
static __always_inline void record_walk(struct scratch *s, enum shrike_span_index index, __u32 into,
					const struct walk *walk)
{
	const char *text = walk_text(into);
	__u32 start = walk->start;

	if (text && start < PATH_END)
		record_bytes(s, index, text + start, PATH_END - start, walk->cut ? SHRIKE_SPAN_TRUNCATED : 0);
}

static __always_inline void record_given(struct scratch *s, enum shrike_span_index index,
					 const struct path_buffer *buffer, const struct given *g)
{
	if (g->length < 0) {
		s->record.span[index].flags = SHRIKE_SPAN_USER | SHRIKE_SPAN_FAULT;
		return;
	}
	record_bytes(s, index, buffer->text + GIVEN, g->length,
		     SHRIKE_SPAN_USER | (g->cut ? SHRIKE_SPAN_TRUNCATED : 0));
}

/* Says so when the argument is no longer what it was. True when it is not. */
static __always_inline bool report_change(struct task_struct *task, const struct call *c, long ret, struct entry *e,
					  int which, const struct path_buffer *now, const struct given *g)
{
	struct scratch *s;
	__u32 length;

	if (!e || !changed(e, which, g->length))
		return false;
	s = record_begin(CONTEXT_TASK, SHRIKE_TOCTOU);
	if (!s)
		return true;
	record_task(&s->record, task);
	record_call(&s->record, c, ret);
	length = e->length[which];
	record_bytes(s, SHRIKE_S_PATH, e->text[which], length < ENTRY_TEXT ? length : ENTRY_TEXT,
		     SHRIKE_SPAN_USER | (length > ENTRY_TEXT ? SHRIKE_SPAN_TRUNCATED : 0));
	record_given(s, SHRIKE_S_BASE2, now, g);
	record_finish(s, SHRIKE_CLASS_PRIVILEGE, s->record.task.tgid);
	return true;
}

#endif
