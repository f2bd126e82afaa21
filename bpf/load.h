/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* Loads from kernel objects that the verifier has no type for: a helper call for each is ten times as slow. */
#ifndef SHRIKE_LOAD_H
#define SHRIKE_LOAD_H

#include "kernel.h"

/*
 * bpf_rdonly_cast (6.2) makes a typed pointer of any number, and loads from one are plain instructions. Without it
 * (remove with 6.1) each load is a helper call.
 */
enum special_kfunc_type { KF_bpf_rdonly_cast = 10 };
extern void *bpf_rdonly_cast(const void *object, __u32 btf_id) __ksym __weak;
#define can_cast() bpf_core_enum_value_exists(enum special_kfunc_type, KF_bpf_rdonly_cast)
#define CAST(type, number)                                                                                    \
	((type *)(can_cast() ? bpf_rdonly_cast((const void *)(number), bpf_core_type_id_kernel(type)) \
			     : (void *)(number)))
#define LOAD(pointer, field)                                   \
	({                                                     \
		typeof((pointer)->field) __value;              \
		if (can_cast())                                \
			__value = (pointer)->field;            \
		else                                           \
			__value = BPF_CORE_READ(pointer, field); \
		__value;                                       \
	})

/* Eight bytes at any address; 0 when there is no memory. struct timespec64 because it is two numbers on every kernel. */
static __always_inline __u64 number_at(__u64 address)
{
	__u64 number = 0;

	if (can_cast())
		return CAST(struct timespec64, address)->tv_sec;
	bpf_probe_read_kernel(&number, sizeof(number), (const void *)address);
	return number;
}

/*
 * A string of user memory, cut to `max` bytes: how many were written, the NUL at the end with them; negative when the
 * memory cannot be read. For an empty one, kernels before 6.3 say 0.
 */
static __always_inline long read_user_string(void *to, __u32 max, __u64 user)
{
	long n = bpf_probe_read_user_str(to, max, (const void *)user);

	return n ? n : 1;
}

#endif
