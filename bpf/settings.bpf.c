// SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause
/*
 * What the agent changes while the programs run. Its maps are frozen: no process writes them through bpf(2) or a mapping,
 * not even the agent. They are changed only in here, and this obeys only the process that it belongs to: whoever else has
 * a descriptor of this program and runs it is refused.
 */
#include "maps.h"

#define EPERM 1
#define EFAULT 14
#define EINVAL 22

static __always_inline bool is_owner(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u64 start = task->group_leader->start_boottime;
	__u32 key = 0;
	struct owner *o = bpf_map_lookup_elem(&owner, &key);

	if (!o)
		return false;
	if (!__sync_val_compare_and_swap(&o->start_ns, 0, start))
		o->tgid = task->tgid;
	return o->start_ns == start && o->tgid == task->tgid;
}

/* Those that live now, nearest first. A dead one's children are pid 1's, which is spared anyway. */
static __always_inline void note_ancestors(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	__u32 key = 0;
	struct ancestors *a = bpf_map_lookup_elem(&ancestors, &key);

	if (!a)
		return;
	for (int i = 0; i < ANCESTORS_MAX; i++) {
		task = task->real_parent;
		a->of[i].start_ns = task->group_leader->start_boottime;
		a->of[i].tgid = task->tgid;
		if (task->tgid <= 1) {
			if (i + 1 < ANCESTORS_MAX)
				a->of[i + 1].start_ns = 0;
			return;
		}
	}
}

/* Fills the table that does not count, which then does. `current` is the first one's: all behind it is copied. */
static __always_inline int set_objects(__u64 user)
{
	__u32 key = 0;
	struct shrike_objects *first = bpf_map_lookup_elem(&objects, &key), *next;

	if (!first)
		return EINVAL;
	key = !first->current;
	next = bpf_map_lookup_elem(&objects, &key);
	if (!next)
		return EINVAL;
	if (bpf_copy_from_user(&next->access, sizeof(*next) - offsetof(struct shrike_objects, access),
			       (const void *)(user + offsetof(struct shrike_objects, access))))
		return EFAULT;
	__sync_lock_test_and_set(&first->current, key);
	return 0;
}

SEC("syscall")
int change_setting(struct shrike_setting *setting)
{
	__u32 what = setting->what;
	__u64 value = setting->value, *word;

	if (!is_owner())
		return EPERM;
	if (what == SHRIKE_SET_OBJECTS)
		return set_objects(value);
	if (what == SHRIKE_ACTIVE_DENY)
		note_ancestors();
	word = bpf_map_lookup_elem(&active, &what);
	if (!word)
		return EINVAL;
	__sync_lock_test_and_set(word, value);
	return 0;
}
