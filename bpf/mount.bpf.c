// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * mount, umount, pivot_root, chroot, and the new mount calls: open_tree (only when it clones: then a detached mount
 * comes to be), fsmount, move_mount, mount_setattr. Rare, and each matters: no path is judged, all leave.
 */
#include "judge.h"

#define OPEN_TREE_CLONE 1

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_mount, struct pt_regs *regs, long ret)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct path_argument *first, *second;
	struct walk *walk, *walk2;
	struct given *g, *g2;
	struct work *w;
	__u32 kind = SHRIKE_MOUNT;
	__u64 flags = 0, type = 0;
	struct scratch *s;
	struct entry *e;
	struct call c;

	if (!read_call(regs, true, &c))
		return 0;
	ret = call_result(&c, ret);
	e = kept(task, &c);
	switch (c.id) {
	case SHRIKE_CALL_mount:
		flags = c.arg[3];
		type = c.arg[2];
		break;
	case SHRIKE_CALL_move_mount:
		flags = c.arg[4];
		break;
	case SHRIKE_CALL_open_tree:
	case SHRIKE_CALL_open_tree_attr:
		flags = c.arg[2];
		if (!(flags & OPEN_TREE_CLONE))
			return 0;
		break;
	case SHRIKE_CALL_mount_setattr:
		flags = c.arg[2];
		break;
	case SHRIKE_CALL_fsmount:
		flags = c.arg[1];
		break;
	case SHRIKE_CALL_umount2:
		kind = SHRIKE_UMOUNT;
		flags = c.arg[1];
		break;
	case SHRIKE_CALL_umount:
		kind = SHRIKE_UMOUNT;
		break;
	case SHRIKE_CALL_pivot_root:
		kind = SHRIKE_PIVOT_ROOT;
		break;
	case SHRIKE_CALL_chroot:
		kind = SHRIKE_CHROOT;
		break;
	}
	barrier_var(kind);
	if (!result_wanted(kind & (SHRIKE_KIND_MAX - 1), ret))
		return 0;
	if (own()) {
		count_self();
		return 0;
	}
	w = working_room();
	if (!w)
		return 0;
	walk = fresh_walk(&w->base[0], 0);
	walk2 = fresh_walk(&w->base[1], 0);
	g = &w->given[0];
	g2 = &w->given[1];
	first = &w->argument[0];
	second = &w->argument[1];
	path_arguments(&c, first, second);
	if (first->user) {
		read_given(0, first->user, g);
		walk->from = place_of_directory(task, first->dirfd);
		report_change(&c, ret, e, 0, g);
	}
	if (second->user) {
		read_given(1, second->user, g2);
		walk2->from = place_of_directory(task, second->dirfd);
		report_change(&c, ret, e, 1, g2);
	}
	if (!within_budget(0)) {
		count_lost(SHRIKE_CLASS_FILE, SHRIKE_LOST_BUDGET);
		return 0;
	}
	s = record_begin(CONTEXT_TASK, kind & (SHRIKE_KIND_MAX - 1));
	if (!s)
		return 0;
	record_current();
	record_call(&s->record, &c, ret);
	__builtin_memset(s->record.arg, 0, sizeof(s->record.arg));
	s->record.arg[0] = flags;
	if (first->user) {
		record_given(SHRIKE_S_PATH, 0, g);
		record_base(SHRIKE_S_BASE, 0, g, walk);
	}
	if (second->user) {
		record_given(SHRIKE_S_PATH2, 1, g2);
		record_base(SHRIKE_S_BASE2, 1, g2, walk2);
	}
	if (type)
		record_user_string(s, SHRIKE_S_REAL, type, 64);
	record_finish(s, SHRIKE_CLASS_FILE, s->record.task.tgid);
	return 0;
}
