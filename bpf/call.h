/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* A system call as a handler sees it, whichever of the three ABIs it came through. */
#ifndef SHRIKE_CALL_H
#define SHRIKE_CALL_H

#include "kernel.h"
#include "maps.h"
#include "shrike_calls.h"

extern const volatile struct shrike_filter filter;
extern const volatile struct shrike_call_tables calls;
extern const volatile __u64 generation;
extern const volatile __u32 lsm_active;

struct call {
	__u32 id;     /* enum shrike_call */
	__s32 number; /* as the ABI has it, x32 bit removed */
	__u16 flags;  /* SHRIKE_F_COMPAT32, SHRIKE_F_X32 */
	__u64 arg[6]; /* 32-bit calls: zero extended */
};

/* Does this generation report? Everything asks first. */
static __always_inline bool reporting(void)
{
	__u32 key = SHRIKE_ACTIVE_GENERATION;
	const __u64 *now = bpf_map_lookup_elem(&active, &key);

	return now && *(const volatile __u64 *)now == generation;
}

/* Its own slot of this core, and no program interrupts itself: a plain addition does. */
static __always_inline void count_run(enum shrike_program program)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct shrike_counters *c = bpf_map_lookup_elem(&counters, &cpu);

	if (c)
		c->runs[program]++;
}

/* The enum shrike_call of the call that `task` is in, or 0. `number` becomes the ABI's, without the x32 bit. */
static __always_inline __u32 find_call(struct task_struct *task, __u64 *number, bool exit, __u16 *flags)
{
	__u64 at;

	if (task->thread_info.status & TS_COMPAT) {
		at = at_most(*number, SHRIKE_CALL_NUMBERS32);
		*flags = SHRIKE_F_COMPAT32;
		return exit ? calls.exit32[at] : calls.enter32[at];
	}
	if (*number & X32_BIT) {
		*flags = SHRIKE_F_X32;
		*number &= ~(__u64)X32_BIT;
	}
	at = at_most(*number, SHRIKE_CALL_NUMBERS);
	return exit ? calls.exit64[at] : calls.enter64[at];
}

/* May a call of this number, of whichever ABI, be one of ours? */
static __always_inline bool number_needed(__u64 number, __u8 when)
{
	return calls.needed[at_most(number, SHRIKE_CALL_NUMBERS)] & when;
}

static __always_inline void read_arguments(struct pt_regs *regs, struct call *c)
{
	c->arg[0] = regs->di;
	c->arg[1] = regs->si;
	c->arg[2] = regs->dx;
	c->arg[3] = regs->r10;
	c->arg[4] = regs->r8;
	c->arg[5] = regs->r9;
}

/* Fills `c` for a handler; false when the call is none of ours (cannot be, after the dispatcher). */
static __always_inline bool read_call(struct pt_regs *regs, bool exit, struct call *c)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 number = (__u32)regs->orig_ax;

	c->flags = 0;
	c->id = find_call(task, &number, exit, &c->flags);
	c->number = (__s32)number;
	if (c->flags & SHRIKE_F_COMPAT32) {
		c->arg[0] = (__u32)regs->bx;
		c->arg[1] = (__u32)regs->cx;
		c->arg[2] = (__u32)regs->dx;
		c->arg[3] = (__u32)regs->si;
		c->arg[4] = (__u32)regs->di;
		c->arg[5] = (__u32)regs->bp;
	} else {
		read_arguments(regs, c);
	}
	return c->id != SHRIKE_CALL_none;
}

/* Results of 32-bit calls are 32 bits wide; errors among them become negative again. */
static __always_inline long call_result(const struct call *c, long ret)
{
	return c->flags & SHRIKE_F_COMPAT32 ? (__s32)ret : ret;
}

#endif
