/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Arguments that are not in memory when a failed exec ends, because nobody has touched them yet: a child that was just
 * forked has not, nor a process whose pages were put aside. A tracepoint cannot wait for them. Since 6.18 a program can ask
 * to be called back in the same thread, right before it goes on in user space; that may sleep, and reads them all.
 */
#ifndef SHRIKE_LATE_H
#define SHRIKE_LATE_H

#include "ring.h"

#define FAILED_ARGS 128 /* arguments of a failed exec that are looked at */
#define LATE_SLOTS 8    /* records that wait at once; the rest is sent without what is missing */

/* 1: this kernel calls back; set by the agent before load. */
const volatile __u32 calls_back = 0;

struct bpf_task_work { /* the kernel finds it by its name */
	__u64 opaque;
} __attribute__((aligned(8)));

struct late {
	struct bpf_task_work work;
	__u64 user; /* char *argv[] */
	__u32 wide; /* 1: 64-bit pointers */
	__u32 busy;
	struct scratch made; /* the record without them */
};
/* Cannot be frozen: the kernel allows that for no map with such a field. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LATE_SLOTS);
	__type(key, __u32);
	__type(value, struct late);
} late_records __weak SEC(".maps");

struct bpf_map;
extern int bpf_task_work_schedule_resume_impl(struct task_struct *task, struct bpf_task_work *work, void *map,
					      int (*callback)(struct bpf_map *, void *, void *), void *program) __ksym __weak;
extern int bpf_copy_from_user_str(void *to, __u32 size, const void *user, __u64 flags) __ksym __weak;

struct late_arguments {
	struct late *late;
	__u32 begin, end;
	__u32 count, more, fault;
};

static long add_late_argument(__u32 index, struct late_arguments *a)
{
	__u64 pointer = 0, end = at_most(a->end, SCRATCH_TEXT);
	long n;

	a->more = 1;
	a->fault = 1;
	if (a->late->wide ? bpf_copy_from_user(&pointer, 8, (const void *)(a->late->user + 8 * index))
			  : bpf_copy_from_user(&pointer, 4, (const void *)(a->late->user + 4 * index)))
		return 1;
	a->fault = 0;
	if (!pointer) {
		a->more = 0;
		return 1;
	}
	if (end - a->begin >= SHRIKE_ARGV_MAX)
		return 1;
	n = bpf_copy_from_user_str(a->late->made.text + end, SHRIKE_ARGV_MAX, (const void *)pointer, 0);
	if (n <= 0) {
		a->fault = 1;
		return 1;
	}
	a->end = end + n;
	a->count = index + 1;
	a->more = 0;
	return 0;
}

/* PATH2 of a record from text[begin .. end), NUL between the arguments. */
static __always_inline void record_argument_span(struct shrike_record *r, __u32 begin, __u32 end, __u32 count, bool more,
						 bool fault)
{
	__u32 length = end - begin;

	if (length > SHRIKE_ARGV_MAX) {
		length = SHRIKE_ARGV_MAX;
		more = true;
	}
	if (length)
		length--;
	if (count == FAILED_ARGS)
		more = true;
	r->arg[2] = count;
	record_span(r, SHRIKE_S_PATH2, begin, length,
		    SHRIKE_SPAN_USER | (more ? SHRIKE_SPAN_TRUNCATED : 0) | (fault ? SHRIKE_SPAN_FAULT : 0));
}

static int finish_late(struct bpf_map *map, void *key, void *value)
{
	struct late *late = value;
	struct late_arguments a = {.late = late};

	a.begin = a.end = text_used(&late->made.record);
	bpf_loop(FAILED_ARGS, add_late_argument, &a, 0);
	record_argument_span(&late->made.record, a.begin, a.end, a.count, a.more, a.fault);
	late->made.record.boot_ns = bpf_ktime_get_boot_ns(); /* records go out by their time: this one comes now */
	record_finish(&late->made, SHRIKE_CLASS_LIFECYCLE, late->made.record.task.tgid);
	__sync_lock_test_and_set(&late->busy, 0);
	return 0;
}

/* Puts a record aside whose arguments are to be read when that can wait. False: it has to be sent as it is. */
static __always_inline bool record_later(struct task_struct *task, const struct scratch *s, __u64 user, bool wide)
{
	__u32 slot = (__u32)task->pid % LATE_SLOTS;
	struct late *late = bpf_map_lookup_elem(&late_records, &slot);

	if (!late || __sync_val_compare_and_swap(&late->busy, 0, 1))
		return false;
	late->user = user;
	late->wide = wide;
	if (bpf_probe_read_kernel(&late->made, at_most(s->record.size, SHRIKE_RECORD_MAX), s) ||
	    bpf_task_work_schedule_resume_impl(task, &late->work, &late_records, finish_late, NULL)) {
		__sync_lock_test_and_set(&late->busy, 0);
		return false;
	}
	return true;
}

#endif
