// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/* Entry of calls with paths: keeps the arguments for the comparison at exit (entry.h). */
#include "entry.h"

SEC("tp_btf/sys_enter")
int BPF_PROG(keep_path, struct pt_regs *regs, long id)
{
	struct path_argument first, second;
	struct call c;

	if (!read_call(regs, false, &c))
		return 0;
	path_arguments(&c, &first, &second);
	return keep_one(bpf_get_current_task_btf(), c.id, first.user);
}

SEC("tp_btf/sys_enter")
int BPF_PROG(keep_paths, struct pt_regs *regs, long id)
{
	struct path_argument first, second;
	struct entry *e;
	struct call c;

	if (!read_call(regs, false, &c) || own())
		return 0;
	path_arguments(&c, &first, &second);
	e = bpf_task_storage_get(&entries, bpf_get_current_task_btf(), 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!e)
		return 0;
	e->call = c.id;
	keep(e, 0, first.user);
	keep(e, 1, second.user);
	return 0;
}
