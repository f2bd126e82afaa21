// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/* Processes: fork, exec, failed exec, exit, and those that were there before us. */
#include "filter.h"
#include "ring.h"

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	struct scratch *s;

	if (!kind_wanted(SHRIKE_FORK) || !reporting())
		return 0;
	count_run(SHRIKE_ON_FORK);
	s = record_begin(CONTEXT_TASK, SHRIKE_FORK);
	if (!s)
		return 0;
	record_task(&s->record, parent);
	s->record.arg[1] = child->tgid;
	s->record.arg[2] = child->pid;
	s->record.arg[3] = child->group_leader->start_boottime;
	s->record.arg[4] = child->thread_pid ? pid_in_own_namespace(child->thread_pid) : 0;
	if (child->tgid != child->pid)
		s->record.flags |= SHRIKE_F_THREAD;
	record_finish(s, SHRIKE_CLASS_LIFECYCLE, parent->tgid);
	return 0;
}
