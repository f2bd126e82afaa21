// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * What changes names and attributes of files: rename, unlink, link, symlink, mkdir, rmdir, chmod, chown, truncate,
 * setxattr. After the call its object is no longer at hand, except through a descriptor: paths are judged as given, and
 * where BPF LSM is active also as its hooks have found them (lsm/lsm.bpf.c).
 */
#include "judge.h"
#include "named.h"

#define AT_REMOVEDIR 0x200

/* What a call is, and the arguments that the record shows first-> */
struct change {
	__u32 kind, access;
	__u64 arg[2];
	__u64 name; /* setxattr: the attribute's name, in user memory */
};

#define CHANGE(what)                              \
	do {                                      \
		k->kind = SHRIKE_##what;          \
		k->access = SHRIKE_A_##what;      \
	} while (0)

/* Global for the verifier's sake, as path_arguments. */
__weak __noinline int change_of(struct call *c, struct change *k)
{
	if (!c || !k)
		return 0;
	__builtin_memset(k, 0, sizeof(*k));
	switch (c->id) {
	case SHRIKE_CALL_rename:
	case SHRIKE_CALL_renameat:
		CHANGE(RENAME);
		break;
	case SHRIKE_CALL_renameat2:
		CHANGE(RENAME);
		k->arg[0] = c->arg[4];
		break;
	case SHRIKE_CALL_link:
		CHANGE(LINK);
		break;
	case SHRIKE_CALL_linkat:
		CHANGE(LINK);
		k->arg[0] = c->arg[4];
		break;
	case SHRIKE_CALL_symlink:
	case SHRIKE_CALL_symlinkat:
		CHANGE(SYMLINK);
		break;
	case SHRIKE_CALL_unlink:
		CHANGE(UNLINK);
		break;
	case SHRIKE_CALL_unlinkat:
		if (c->arg[2] & AT_REMOVEDIR)
			CHANGE(RMDIR);
		else
			CHANGE(UNLINK);
		k->arg[0] = (__u32)c->arg[2];
		break;
	case SHRIKE_CALL_rmdir:
		CHANGE(RMDIR);
		break;
	case SHRIKE_CALL_mkdir:
		CHANGE(MKDIR);
		k->arg[0] = (__u16)c->arg[1];
		break;
	case SHRIKE_CALL_mkdirat:
		CHANGE(MKDIR);
		k->arg[0] = (__u16)c->arg[2];
		break;
	case SHRIKE_CALL_chmod:
	case SHRIKE_CALL_fchmod:
		CHANGE(CHMOD);
		k->arg[0] = (__u16)c->arg[1];
		break;
	case SHRIKE_CALL_fchmodat:
	case SHRIKE_CALL_fchmodat2:
		CHANGE(CHMOD);
		k->arg[0] = (__u16)c->arg[2];
		break;
	case SHRIKE_CALL_chown:
	case SHRIKE_CALL_lchown:
	case SHRIKE_CALL_fchown:
	case SHRIKE_CALL_chown16:
	case SHRIKE_CALL_lchown16:
	case SHRIKE_CALL_fchown16:
		CHANGE(CHOWN);
		k->arg[0] = (__u32)c->arg[1];
		k->arg[1] = (__u32)c->arg[2];
		break;
	case SHRIKE_CALL_fchownat:
		CHANGE(CHOWN);
		k->arg[0] = (__u32)c->arg[2];
		k->arg[1] = (__u32)c->arg[3];
		break;
	case SHRIKE_CALL_truncate:
	case SHRIKE_CALL_ftruncate:
		CHANGE(TRUNCATE);
		k->arg[0] = c->arg[1];
		break;
	case SHRIKE_CALL_truncate64: /* i386: the length comes in two halves */
	case SHRIKE_CALL_ftruncate64:
		CHANGE(TRUNCATE);
		k->arg[0] = c->arg[1] | c->arg[2] << 32;
		break;
	case SHRIKE_CALL_setxattr:
	case SHRIKE_CALL_lsetxattr:
	case SHRIKE_CALL_fsetxattr:
		CHANGE(SETXATTR);
		k->name = c->arg[1];
		k->arg[0] = c->arg[4];
		break;
	case SHRIKE_CALL_setxattrat:
		CHANGE(SETXATTR);
		k->name = c->arg[3];
		break;
	}
	return 0;
}

/* The record up to its texts; NULL when there is no budget. */
static __always_inline struct scratch *change_begin(struct task_struct *task, const struct call *c, long ret,
						    const struct change *k)
{
	struct scratch *s;

	if (!within_budget(0)) {
		count_lost(SHRIKE_CLASS_FILE, SHRIKE_LOST_BUDGET);
		return NULL;
	}
	s = record_begin(CONTEXT_TASK, k->kind);
	if (!s)
		return NULL;
	record_current();
	record_call(&s->record, c, ret);
	__builtin_memset(s->record.arg, 0, sizeof(s->record.arg));
	s->record.arg[0] = k->arg[0];
	s->record.arg[1] = k->arg[1];
	return s;
}

/* Does anybody want this kind, with this result, on some path? Counts the agent's own. */
static __always_inline bool change_wanted(const struct change *k, long ret)
{
	if (!k->kind || !result_wanted(k->kind & (SHRIKE_KIND_MAX - 1), ret))
		return false;
	if (own()) {
		count_self();
		return false;
	}
	return (filter.any_path | filter.prefix_access | filter.name_access | named_asked(k->access)) & k->access;
}

/* An empty path means the descriptor it would be relative to (AT_EMPTY_PATH): the only object of these that is at hand. */
static __always_inline struct file *empty_path_file(struct task_struct *task, const struct path_argument *a,
						    const struct given *g)
{
	return g->length == 0 && a->user ? file_of(task, a->dirfd) : NULL;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_path, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct path_argument *first, *second;
	struct scratch *s;
	struct change k;
	struct given *g;
	struct walk *walk;
	struct work *w;
	struct entry *e;
	struct file *file;
	struct note *n;
	struct call c;
	__u32 wanted;

	if (!read_call(regs, true, &c))
		return 0;
	ret = call_result(&c, ret);
	e = kept(task, &c);
	n = noted(task, &c);
	change_of(&c, &k);
	w = working_room();
	if (!change_wanted(&k, ret) || !w)
		return 0;
	walk = fresh_walk(&w->base[0], k.access);
	g = &w->given[0];
	first = &w->argument[0];
	second = &w->argument[1];
	path_arguments(&c, first, second);
	read_given(0, first->user, g);
	if (!g->absolute)
		walk->from = place_of_directory(task, first->dirfd);
	wanted = filter.any_path & k.access;
	if (report_change(&c, ret, e, 0, g))
		wanted = ~0u;
	if (!wanted && n)
		wanted = n->path[0].access & k.access;
	file = empty_path_file(task, first, g);
	if (!wanted && file)
		wanted = named_access(file, k.access);
	if (!wanted)
		wanted = given_access(0, g, walk, !n);
	if (!wanted)
		return 0;
	s = change_begin(task, &c, ret, &k);
	if (!s)
		return 0;
	record_given(SHRIKE_S_PATH, 0, g);
	record_base(SHRIKE_S_BASE, 0, g, walk);
	if (file)
		s->record.arg[5] = named_sets(file);
	if (n)
		record_note(n, 0);
	if (k.name)
		record_user_string(s, SHRIKE_S_PATH2, k.name, 256);
	record_finish(s, SHRIKE_CLASS_FILE, s->record.task.tgid);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_paths, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct path_argument *first, *second;
	struct walk *walk, *walk2;
	struct given *g, *g2;
	struct work *w;
	struct scratch *s;
	struct change k;
	struct entry *e;
	struct file *file;
	struct note *n;
	struct call c;
	__u32 wanted;

	if (!read_call(regs, true, &c))
		return 0;
	ret = call_result(&c, ret);
	e = kept(task, &c);
	n = noted(task, &c);
	change_of(&c, &k);
	w = working_room();
	if (!change_wanted(&k, ret) || !w)
		return 0;
	walk = fresh_walk(&w->base[0], k.access);
	walk2 = fresh_walk(&w->base[1], k.access);
	g = &w->given[0];
	g2 = &w->given[1];
	first = &w->argument[0];
	second = &w->argument[1];
	path_arguments(&c, first, second);
	read_given(0, first->user, g);
	read_given(1, second->user, g2);
	/* A symlink's target is only text: relative to where the link is, not to the process. */
	if (!g->absolute && k.kind != SHRIKE_SYMLINK)
		walk->from = place_of_directory(task, first->dirfd);
	if (!g2->absolute)
		walk2->from = place_of_directory(task, second->dirfd);
	wanted = filter.any_path & k.access;
	if (report_change(&c, ret, e, 0, g))
		wanted = ~0u;
	if (report_change(&c, ret, e, 1, g2))
		wanted = ~0u;
	if (!wanted && n)
		wanted = (n->path[0].access | n->path[1].access) & k.access;
	file = empty_path_file(task, first, g);
	if (!wanted && file)
		wanted = named_access(file, k.access);
	if (!wanted)
		wanted = given_access(0, g, walk, !n);
	if (!wanted)
		wanted = given_access(1, g2, walk2, !n);
	if (!wanted)
		return 0;
	s = change_begin(task, &c, ret, &k);
	if (!s)
		return 0;
	record_given(SHRIKE_S_PATH, 0, g);
	record_base(SHRIKE_S_BASE, 0, g, walk);
	if (file)
		s->record.arg[5] = named_sets(file);
	if (n)
		record_note(n, k.kind == SHRIKE_RENAME && ret >= 0);
	record_given(SHRIKE_S_PATH2, 1, g2);
	record_base(SHRIKE_S_BASE2, 1, g2, walk2);
	record_finish(s, SHRIKE_CLASS_FILE, s->record.task.tgid);
	return 0;
}

/* fchmod, fchown, ftruncate, fsetxattr: here the object is at hand, and no path is given. */
SEC("tp_btf/sys_exit")
int BPF_PROG(exit_fd, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct walk *walk;
	struct scratch *s;
	struct change k;
	struct file *file;
	struct work *w;
	struct call c;
	__u32 wanted;

	if (!read_call(regs, true, &c))
		return 0;
	ret = call_result(&c, ret);
	change_of(&c, &k);
	w = working_room();
	if (!change_wanted(&k, ret) || !w)
		return 0;
	file = file_of(task, c.arg[0]);
	if (!file)
		return 0; /* a bad descriptor: nothing was touched */
	walk = fresh_walk(&w->object, k.access);
	walk->from = place_of_file(file);
	walk_path(INTO_REAL, walk);
	wanted = filter.any_path | walk->name_access | (walk->cut ? ~0u : 0) | named_access(file, k.access);
	if (filter.prefix_access)
		wanted |= prefix_access(w->real.text, walk->start, walk_length(walk), walk->first, k.access);
	if (!(wanted & k.access))
		return 0;
	s = change_begin(task, &c, ret, &k);
	if (!s)
		return 0;
	record_object(&s->record, LOAD(file, f_inode));
	s->record.arg[5] = named_sets(file);
	record_walk(SHRIKE_S_REAL, INTO_REAL, walk);
	s->record.span[SHRIKE_S_BASE] = s->record.span[SHRIKE_S_REAL];
	if (k.name)
		record_user_string(s, SHRIKE_S_PATH2, k.name, 256);
	record_finish(s, SHRIKE_CLASS_FILE, s->record.task.tgid);
	return 0;
}
