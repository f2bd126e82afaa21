/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* The floor of any agent on these tracepoints: the hooks alone, returning at once. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char _license[] SEC("license") = "Dual BSD/GPL";

SEC("tp_btf/sys_enter")
int bare_enter(void *ctx)
{
	return 0;
}

SEC("tp_btf/sys_exit")
int bare_exit(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_process_fork")
int bare_fork(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_process_exec")
int bare_exec(void *ctx)
{
	return 0;
}

SEC("tp_btf/sched_process_exit")
int bare_process_exit(void *ctx)
{
	return 0;
}
