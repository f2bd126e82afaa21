/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The task of an event: struct shrike_task from struct task_struct. Direct loads only, no helper but two copies. */
#ifndef SHRIKE_TASK_H
#define SHRIKE_TASK_H

#include "kernel.h"
#include "shrike_event.h"

static __always_inline __u32 pid_in_own_namespace(struct pid *pid)
{
	unsigned int level = BPF_CORE_READ(pid, level);
	struct upid upid = {};

	bpf_core_read(&upid.nr, sizeof(upid.nr), &pid->numbers[level].nr);
	return upid.nr;
}

static __always_inline void record_namespaces(struct shrike_task *t, struct task_struct *task)
{
	struct nsproxy *ns = task->nsproxy;
	struct pid *pid = task->thread_pid;

	if (ns) { /* gone in a task that is past exit_task_namespaces */
		t->ns_mnt = ns->mnt_ns->ns.inum;
		t->ns_net = ns->net_ns->ns.inum;
		t->ns_uts = ns->uts_ns->ns.inum;
		if (bpf_core_field_exists(ns->ipc_ns))
			t->ns_ipc = ns->ipc_ns->ns.inum;
		t->ns_cgroup = ns->cgroup_ns->ns.inum;
	}
	if (pid) {
		struct pid_namespace *own = NULL;
		unsigned int level = pid->level;

		/* pid_ns_for_children is not the task's own: take the namespace of its innermost number. */
		bpf_core_read(&own, sizeof(own), &pid->numbers[level].ns);
		t->ns_pid = BPF_CORE_READ(own, ns.inum);
	}
	t->ns_user = BPF_CORE_READ((struct cred___ns *)task->cred, user_ns, ns.inum);
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
	bpf_core_read(&t->cap_effective, sizeof(t->cap_effective), &cred->cap_effective);
	if (bpf_core_field_exists(struct task_struct___audit, loginuid)) {
		struct task_struct___audit *audited = (void *)task;

		t->loginuid = audited->loginuid.val;
		t->audit_session = audited->sessionid;
	} else {
		t->loginuid = ~0u;
		t->audit_session = ~0u;
	}
	if (signal) {
		struct pid *session = NULL;
		int nr = 0;

		session = signal->pids[PIDTYPE_SESSION];
		bpf_core_read(&nr, sizeof(nr), &session->numbers[0].nr);
		t->session = nr;
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
	bpf_core_read(t->comm, sizeof(t->comm), &task->comm);
}

#endif
