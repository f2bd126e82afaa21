// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/* Opens that the dispatcher does not do itself: open, openat2, creat, and all of the other ABIs. */
#include "open.h"

SEC("tp_btf/sys_exit")
int BPF_PROG(exit_open, struct pt_regs *regs, long ret)
{
	struct call c;

	return read_call(regs, true, &c) ? handle_open(bpf_get_current_task_btf(), &c, ret) : 0;
}
