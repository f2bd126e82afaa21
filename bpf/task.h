/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The task of an event: struct shrike_task from struct task_struct. Direct loads only where the kernel lets us. */
#ifndef SHRIKE_TASK_H
#define SHRIKE_TASK_H

#include "load.h"
#include "shrike_event.h"

/* The innermost of a pid's numbers, with its namespace. */
static __always_inline struct upid *innermost(struct pid *number)
{
	struct pid *pid = CAST(struct pid, number);
	__u64 level = at_most(LOAD(pid, level), 32); /* MAX_PID_NS_LEVEL */

	return CAST(struct upid, (__u64)number + bpf_core_field_offset(struct pid, numbers) +
					 level * bpf_core_type_size(struct upid));
}

static __always_inline __u32 pid_in_own_namespace(struct pid *pid)
{
	return LOAD(innermost(pid), nr);
}

static __always_inline __u64 user_namespace_of(struct task_struct *task)
{
	struct cred___ns *cred = CAST(struct cred___ns, task->cred);

	return (__u64)LOAD(cred, user_ns);
}

static __always_inline void record_namespaces(struct shrike_task *t, struct task_struct *task)
{
	struct nsproxy *ns = task->nsproxy;
	struct pid *pid = task->thread_pid;
	struct user_namespace *user;

	if (ns) { /* gone in a task that is past exit_task_namespaces */
		t->ns_mnt = ns->mnt_ns->ns.inum;
		t->ns_net = ns->net_ns->ns.inum;
		t->ns_uts = ns->uts_ns->ns.inum;
		if (bpf_core_field_exists(ns->ipc_ns))
			t->ns_ipc = ns->ipc_ns->ns.inum;
		t->ns_cgroup = ns->cgroup_ns->ns.inum;
	}
	if (pid) {
		/* pid_ns_for_children is not the task's own: take the namespace of its innermost number. */
		struct pid_namespace *own = CAST(struct pid_namespace, LOAD(innermost(pid), ns));

		t->ns_pid = LOAD(own, ns.inum);
	}
	user = CAST(struct user_namespace, user_namespace_of(task));
	t->ns_user = LOAD(user, ns.inum);
}

static __always_inline __u32 task_tty(struct signal_struct *signal)
{
	struct tty_struct *tty = signal->tty;

	if (!tty)
		return 0;
	return tty->driver->major << 20 | (tty->driver->minor_start + tty->index);
}

static __always_inline void record_task(struct shrike_record *r, struct task_struct *task)
{
	struct shrike_task *t = &r->task;
	struct task_struct *leader = task->group_leader;
	struct task_struct *parent = task->real_parent;
	const struct cred *cred = task->cred;
	struct signal_struct *signal = task->signal;
	struct mm_struct *mm = task->mm;
	__u64 comm;

	t->tid = task->pid;
	t->tgid = task->tgid;
	t->ppid = parent->tgid;
	t->start_ns = leader->start_boottime;
	t->parent_start_ns = parent->group_leader->start_boottime;
	t->uid = cred->uid.val;
	t->gid = cred->gid.val;
	t->euid = cred->euid.val;
	t->egid = cred->egid.val;
	t->suid = cred->suid.val;
	t->sgid = cred->sgid.val;
	t->cap_effective = number_at((__u64)cred + bpf_core_field_offset(cred->cap_effective));
	if (bpf_core_field_exists(struct task_struct___audit, loginuid)) {
		struct task_struct___audit *audited = (void *)task;

		t->loginuid = audited->loginuid.val;
		t->audit_session = audited->sessionid;
	} else {
		t->loginuid = ~0u;
		t->audit_session = ~0u;
	}
	if (signal) {
		__u64 session = (__u64)signal->pids[PIDTYPE_SESSION];
		struct upid *outermost = CAST(struct upid, session + bpf_core_field_offset(struct pid, numbers));

		t->session = LOAD(outermost, nr);
		t->tty = task_tty(signal);
	}
	t->vpid = leader->thread_pid ? pid_in_own_namespace(leader->thread_pid) : 0;
	t->cgroup_id = task->cgroups->dfl_cgrp->kn->id;
	record_namespaces(t, task);
	if (mm) {
		struct inode *exe = mm->exe_file ? mm->exe_file->f_inode : NULL;

		if (exe) {
			t->exe_dev = exe->i_sb->s_dev;
			t->exe_inode = exe->i_ino;
		}
	} else if (task->flags & PF_KTHREAD) {
		r->flags |= SHRIKE_F_KTHREAD;
	}
	comm = (__u64)task + bpf_core_field_offset(task->comm);
	((__u64 *)t->comm)[0] = number_at(comm);
	((__u64 *)t->comm)[1] = number_at(comm + 8);
}

#endif
