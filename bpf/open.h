/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * open, openat, openat2, creat: the most frequent calls with a path, and the ones whose object is at hand.
 * Here and not in open.bpf.c because the dispatcher does openat itself: a jump costs as much as half the judgement.
 */
#ifndef SHRIKE_OPEN_H
#define SHRIKE_OPEN_H

#include "judge.h"
#include "named.h"

#define O_WRONLY 1
#define O_RDWR 2
#define O_CREAT 0100
#define O_TRUNC 01000
#define FMODE_READ 1
#define FMODE_WRITE 2

struct open_how {
	__u64 flags, mode, resolve;
};

static __always_inline void open_arguments(const struct call *c, struct open_how *how)
{
	how->resolve = 0;
	switch (c->id) {
	case SHRIKE_CALL_open:
		how->flags = c->arg[1];
		how->mode = c->arg[2];
		break;
	case SHRIKE_CALL_creat:
		how->flags = O_CREAT | O_WRONLY | O_TRUNC;
		how->mode = c->arg[1];
		break;
	case SHRIKE_CALL_open_by_handle_at:
		how->flags = c->arg[2];
		how->mode = 0;
		break;
	case SHRIKE_CALL_openat2:
		if (bpf_probe_read_user(how, sizeof(*how), (const void *)c->arg[2]))
			__builtin_memset(how, 0, sizeof(*how));
		break;
	default:
		how->flags = c->arg[2];
		how->mode = c->arg[3];
	}
	how->flags = (__u32)how->flags;
	how->mode = (__u16)how->mode;
}

/* What was done by this open. The descriptor's own mode counts where there is one: `flags` of openat2 is user memory. */
static __always_inline __u32 open_access(const struct open_how *how, struct file *file)
{
	bool write = how->flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC);
	bool read = !(how->flags & O_WRONLY);

	if (file) {
		__u32 mode = LOAD(file, f_mode);

		write = write || (mode & (FMODE_WRITE | FMODE_CREATED));
		read = read || (mode & FMODE_READ);
	}
	return (write ? SHRIKE_A_OPEN_WRITE : 0) | (read ? SHRIKE_A_OPEN_READ : 0);
}

/* `given`: a path was, and its parts are in `w`, as those of the object are. */
static __always_inline void record_open(struct task_struct *task, const struct call *c, long ret, struct work *w,
					bool given, struct file *file, const struct open_how *how)
{
	struct scratch *s;

	if (!within_budget(0)) {
		count_lost(SHRIKE_CLASS_FILE, SHRIKE_LOST_BUDGET);
		return;
	}
	s = record_begin(CONTEXT_TASK, SHRIKE_OPEN);
	if (!s)
		return;
	record_current();
	record_call(&s->record, c, ret);
	s->record.arg[0] = how->flags;
	s->record.arg[1] = how->mode;
	s->record.arg[2] = 0;
	s->record.arg[3] = how->resolve;
	s->record.arg[4] = ret;
	s->record.arg[5] = 0;
	if (given) {
		record_given(SHRIKE_S_PATH, 0, &w->given[0]);
		record_base(SHRIKE_S_BASE, 0, &w->given[0], &w->base[0]);
	}
	if (file) {
		s->record.arg[2] = LOAD(file, f_flags);
		if (LOAD(file, f_mode) & FMODE_CREATED)
			s->record.flags |= SHRIKE_F_CREATED;
		record_object(&s->record, LOAD(file, f_inode));
		record_walk(SHRIKE_S_REAL, INTO_REAL, &w->object);
		s->record.arg[5] = named_sets(file);
		if (!given) /* no path was given: of a relative one that is empty, this is it */
			s->record.span[SHRIKE_S_BASE] = s->record.span[SHRIKE_S_REAL];
	}
	record_finish(s, SHRIKE_CLASS_FILE, s->record.task.tgid);
}

/*
 * Where an open succeeded the object decides, and the path as given is only judged for the sake of links on the way:
 * for that the copy from the entry does, which saves reading user memory a second time. 1 when it is usable.
 */
static __always_inline int given_at_entry(struct entry *e, struct file *file, struct given *g)
{
	if (!e || !file || e->length[0] <= 0 || e->length[0] >= ENTRY_TEXT)
		return 0;
	g->length = e->length[0];
	g->absolute = e->text[0][0] == '/';
	g->odd = 0;
	g->cut = 0;
	return 1;
}

/* Is what was given at entry the same as the walked path from `at` on? Global for the verifier's sake, as walk_path. */
__weak __noinline int same_as_entry(struct entry *e, __u32 at)
{
	const char *walked = walk_text(INTO_REAL);
	__u32 length;

	if (!e || !walked || at > PATH_END)
		return 0;
	length = e->length[0];
	if (PATH_END - at != length)
		return 0;
	for (__u32 i = 0; i < ENTRY_TEXT; i += 8) {
		if (i >= length)
			return 1;
		if (*(const __u64 *)(walked + at + i) != *(const __u64 *)(e->text[0] + i))
			return 0;
	}
	return 0;
}

static __always_inline int handle_open(struct task_struct *task, struct call *c, long ret)
{
	struct path_argument *first, *second;
	struct walk *real, *based;
	struct file *file = NULL;
	struct open_how how;
	struct given *g;
	struct entry *e;
	struct work *w;
	__u32 access, wanted, at;
	bool handle = c->id == SHRIKE_CALL_open_by_handle_at; /* instead of a path */
	int early, same = 0;

	ret = call_result(c, ret);
	if (!result_wanted(SHRIKE_OPEN, ret))
		return 0;
	if (task->tgid == filter.self_tgid) {
		count_self();
		return 0;
	}
	open_arguments(c, &how);
	if (ret >= 0)
		file = file_of(task, ret);
	access = ret < 0 ? SHRIKE_A_OPEN_FAILED : open_access(&how, file);
	e = kept(task, c);
	wanted = filter.any_path & access;
	if (file)
		wanted |= named_access(file, access);
	if (!wanted && !((filter.prefix_access | filter.name_access) & access))
		return 0;
	w = working_room();
	if (!w)
		return 0;
	real = fresh_walk(&w->object, access);
	based = fresh_walk(&w->base[0], access);
	g = &w->given[0];

	first = &w->argument[0];
	second = &w->argument[1];
	path_arguments(c, first, second);
	early = given_at_entry(e, file, g);
	if (!early) {
		read_given(0, first->user, g);
		if (report_change(c, ret, e, 0, g))
			wanted = access;
	}
	if (!g->absolute && !handle)
		based->from = place_of_directory(task, first->dirfd);
	if (file) {
		real->stop = based->from;
		real->from = place_of_file(file);
		walk_path(INTO_REAL, real);
		wanted |= (real->name_access | (real->cut ? ~0u : 0)) & access;
		if (!wanted && filter.prefix_access)
			wanted = prefix_access(w->real.text, real->start, walk_length(real), real->first, access);
		/* Mostly the path as given is the object's own, and need not be judged again. */
		at = g->absolute ? real->start : real->at_stop ? real->at_stop + 1 : PATH_END;
		if (!wanted && g->length > 0)
			same = early ? same_as_entry(e, at) : same_text(at, g->length);
	}
	if (!wanted && !same) {
		if (early)
			bpf_probe_read_kernel(w->path[0].text + GIVEN, ENTRY_TEXT, e->text[0]);
		wanted = given_access(0, g, based, !file) & access;
	}
	if (!wanted)
		return 0;
	if (early) {
		read_given(0, first->user, g);
		report_change(c, ret, e, 0, g);
		if (!g->absolute && !based->from.dentry)
			based->from = place_of_directory(task, first->dirfd);
	}
	record_open(task, c, ret, w, !handle, file, &how);
	return 0;
}

#endif
