// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * The two programs that run at every system call of the host, and the constants of all objects.
 * A call that nothing needs costs one table look-up; any other jumps into its handler (shrike_calls.h).
 */
#include "open.h"

char dual_license[] SEC("license") = "Dual BSD/GPL";

/* Written by the agent before load. */
const volatile struct shrike_filter filter = {};
const volatile struct shrike_call_tables calls = {};
const volatile __u64 generation = 0; /* reports when the `active` word says so */
const volatile __u32 lsm_active = 0; /* 1: the hooks of lsm/ are loaded beside this */

SEC("tp_btf/sys_enter")
int BPF_PROG(sys_enter, struct pt_regs *regs, long id)
{
	struct task_struct *task;
	__u64 number = (__u32)id;
	__u16 flags = 0;
	__u32 call;

	if (!number_needed(number, SHRIKE_AT_ENTER))
		return 0;
	task = bpf_get_current_task_btf();
	call = find_call(task, &number, false, &flags);
	if (!call || !reporting())
		return 0;
	count_run(SHRIKE_ON_SYS_ENTER);
	if (kind_wanted(SHRIKE_OPEN) && call == SHRIKE_CALL_openat && !flags)
		return keep_one(task, call, regs->si);
	bpf_tail_call(ctx, &on_enter, call);
	return 0;
}

SEC("tp_btf/sys_exit")
int BPF_PROG(sys_exit, struct pt_regs *regs, long ret)
{
	struct task_struct *task;
	__u64 number = (__u32)regs->orig_ax;
	__u16 flags = 0;
	__u32 call;

	if (!number_needed(number, SHRIKE_AT_EXIT))
		return 0;
	task = bpf_get_current_task_btf();
	call = find_call(task, &number, true, &flags);
	if (!call || !reporting())
		return 0;
	count_run(SHRIKE_ON_SYS_EXIT);
	if (kind_wanted(SHRIKE_OPEN) && call == SHRIKE_CALL_openat && !flags) {
		struct call c = {.id = call, .number = (__s32)number};

		read_arguments(regs, &c);
		return handle_open(task, &c, ret);
	}
	bpf_tail_call(ctx, &on_exit, call);
	return 0;
}
