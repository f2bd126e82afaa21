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
static __always_inline void pad_text(char *text, __u64 length, __u64 max)
{
	*(__u64 *)(text + at_most(length, max)) = 0;
}

/* Reads a path argument behind GIVEN. */
static __always_inline void read_given(__u32 which, __u64 user, struct given *g)
{
	char *text = walk_text(which ? INTO_SECOND : INTO_FIRST);
	long n = -1;

	if (user && text)
		n = read_user_string(text + GIVEN, SHRIKE_PATH_MAX, user);
	g->length = -1;
	g->absolute = 0;
	g->odd = 0;
	g->cut = n == SHRIKE_PATH_MAX;
	if (n > 0 && n <= SHRIKE_PATH_MAX && text) {
		g->length = n - 1;
		g->absolute = text[GIVEN] == '/';
		pad_text(text + GIVEN, n - 1, SHRIKE_PATH_MAX);
	}
}

/* The same at entry, into the task's storage. */
static __always_inline void keep(struct entry *e, int which, __u64 user)
{
	__u64 small[8];
	long n;

	e->length[which] = -1;
	if (!user)
		return;
	/* Most paths are short, and to the stack, a copy from user memory that is checked for its target is cheaper. */
	n = read_user_string(small, sizeof(small), user);
	if (n < 0)
		return;
	if (n < sizeof(small)) {
#pragma unroll
		for (int i = 0; i < 8; i++)
			((__u64 *)e->text[which])[i] = small[i];
		e->length[which] = n - 1;
		pad_text(e->text[which], n - 1, ENTRY_TEXT);
		return;
	}
	n = read_user_string(e->text[which], ENTRY_TEXT, user);
	if (n <= 0 || n > ENTRY_TEXT)
		return;
	e->length[which] = n - 1;
	pad_text(e->text[which], n - 1, ENTRY_TEXT);
	if (n == ENTRY_TEXT) {
		__u32 key = CONTEXT_TASK;
		struct work *w = bpf_map_lookup_elem(&works, &key);
		struct given g;

		if (!w)
			return;
		read_given(which, user, &g);
		e->length[which] = g.length;
		e->rest[which] = hash_rest(which, g.length);
		/* The helper ends its copy in NUL: put back the byte that stood there. */
		e->text[which][ENTRY_TEXT - 1] = w->path[which].text[GIVEN + ENTRY_TEXT - 1];
	}
}

/* All that is done at the entry of a call with one path. */
static __always_inline int keep_one(struct task_struct *task, __u32 call, __u64 user)
{
	struct entry *e;

	if (task->tgid == filter.self_tgid)
		return 0;
	e = bpf_task_storage_get(&entries, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (e) {
		e->call = call;
		keep(e, 0, user);
	}
	return 0;
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

/* The scratch buffer of the record that is being made. */
static __always_inline struct scratch *current_scratch(enum context context)
{
	__u32 key = context;

	return bpf_map_lookup_elem(&scratches, &key);
}

/* The path a walk has left in `into`. The next four are global for the verifier's sake, as walk_path. */
__weak __noinline int record_walk(__u32 index, __u32 into, struct walk *walk)
{
	struct scratch *s = current_scratch(into & (1u << 31) ? CONTEXT_ITER : CONTEXT_TASK);
	const char *text = walk_text(into);

	if (s && text && walk && index < SHRIKE_SPANS && walk->start < PATH_END)
		record_bytes(s, index, text + walk->start, PATH_END - walk->start,
			     walk->cut ? SHRIKE_SPAN_TRUNCATED : 0);
	return 0;
}

/*
 * What an LSM hook has noted: the object, and its path. Of what is renamed, the one it has after the call; of a link,
 * what it is made to.
 */
__weak __noinline int record_note(struct note *n, __u32 which)
{
	struct scratch *s = current_scratch(CONTEXT_TASK);
	const struct noted_path *p;

	if (!s || !n)
		return 0;
	p = which ? &n->path[1] : &n->path[0];
	if (p->start < PATH_END)
		record_bytes(s, SHRIKE_S_REAL, p->walked.text + p->start, PATH_END - p->start,
			     p->cut ? SHRIKE_SPAN_TRUNCATED : 0);
	__builtin_memcpy(&s->record.object, &n->object, sizeof(s->record.object));
	s->record.arg[5] = n->sets;
	return 0;
}

/* A path as given, from behind GIVEN. */
__weak __noinline int record_given(__u32 index, __u32 which, struct given *g)
{
	struct scratch *s = current_scratch(CONTEXT_TASK);
	const char *text = walk_text(which ? INTO_SECOND : INTO_FIRST);

	if (!s || !text || !g || index >= SHRIKE_SPANS)
		return 0;
	if (g->length < 0)
		s->record.span[at_most(index, SHRIKE_SPANS - 1)].flags = SHRIKE_SPAN_USER | SHRIKE_SPAN_FAULT;
	else
		record_bytes(s, index, text + GIVEN, g->length,
			     SHRIKE_SPAN_USER | (g->cut ? SHRIKE_SPAN_TRUNCATED : 0));
	return 0;
}

/* record_task of the current task. */
__weak __noinline int record_current(void)
{
	struct scratch *s = current_scratch(CONTEXT_TASK);

	if (s)
		record_task(&s->record, bpf_get_current_task_btf());
	return 0;
}

/* Says so when an argument is no longer what it was. 1 when it is not. */
__weak __noinline int report_change(struct call *c, long ret, struct entry *e, __u32 which, struct given *g)
{
	struct scratch *s;
	__u32 length;

	if (!c || !e || !g || !changed(e, which, g->length))
		return 0;
	which &= 1;
	s = record_begin(CONTEXT_TASK, SHRIKE_TOCTOU);
	if (!s)
		return 1;
	record_current();
	record_call(&s->record, c, ret);
	length = e->length[which];
	record_bytes(s, SHRIKE_S_PATH, e->text[which], length < ENTRY_TEXT ? length : ENTRY_TEXT,
		     SHRIKE_SPAN_USER | (length > ENTRY_TEXT ? SHRIKE_SPAN_TRUNCATED : 0));
	record_given(SHRIKE_S_BASE2, which, g);
	record_finish(s, SHRIKE_CLASS_PRIVILEGE, s->record.task.tgid);
	return 1;
}

#endif
