/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * The kernel types we read, cut to the fields we read. CO-RE finds the offsets on the running kernel, so order and
 * neighbours do not matter; names and nesting do. A field that only some kernels have stands in a type of its own
 * ("___<what>": libbpf drops what follows the three underscores) and is asked for with bpf_core_field_exists.
 */
#ifndef SHRIKE_KERNEL_H
#define SHRIKE_KERNEL_H

#include <linux/bpf.h> /* uapi: __u8 to __u64, map types, flags */
#include <stdbool.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define __kernel_type __attribute__((preserve_access_index))

typedef struct {
	__u32 val;
} kuid_t;
typedef kuid_t kgid_t;

struct pt_regs {
	unsigned long r10, r9, r8, ax, cx, dx, si, di, bp, bx, orig_ax, ip;
} __kernel_type;

struct qstr {
	__u32 len;
	const unsigned char *name;
} __kernel_type;

struct super_block {
	__u32 s_dev;
	unsigned long s_magic;
} __kernel_type;

struct timespec64 {
	__s64 tv_sec;
	long tv_nsec;
} __kernel_type;

struct inode {
	__u16 i_mode;
	kuid_t i_uid;
	kgid_t i_gid;
	struct super_block *i_sb;
	unsigned long i_ino;
	__u32 i_nlink;
	/* since 6.11; before, i_mtime and __i_ctime (6.6) or i_ctime were struct timespec64 */
	__s64 i_mtime_sec, i_ctime_sec;
	__u32 i_mtime_nsec, i_ctime_nsec;
} __kernel_type;
struct inode___timespec {
	struct timespec64 i_mtime, i_ctime;
} __kernel_type;
struct inode___ctime66 {
	struct timespec64 __i_mtime, __i_ctime;
} __kernel_type;

struct dentry {
	struct dentry *d_parent;
	struct qstr d_name;
	struct inode *d_inode;
	struct super_block *d_sb;
} __kernel_type;

struct vfsmount {
	struct dentry *mnt_root;
} __kernel_type;

struct mount {
	struct mount *mnt_parent;
	struct dentry *mnt_mountpoint;
	struct vfsmount mnt;
} __kernel_type;

struct path {
	struct vfsmount *mnt;
	struct dentry *dentry;
} __kernel_type;

struct file {
	__u32 f_mode;
	__u32 f_flags;
	struct path f_path;
	struct inode *f_inode;
	void *private_data;
} __kernel_type;

struct ovl_inode {
	struct inode vfs_inode;
	struct dentry *__upperdentry;
} __kernel_type;

struct ovl_file { /* since 6.13 */
	struct file *realfile;
} __kernel_type;

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
} __kernel_type;

struct files_struct {
	struct fdtable *fdt;
} __kernel_type;

struct fs_struct {
	struct path root, pwd;
} __kernel_type;

struct kernel_cap {
	__u64 val;
};

struct cred {
	kuid_t uid, suid, euid;
	kgid_t gid, sgid, egid;
	struct kernel_cap cap_effective; /* 64 bits on every kernel, as one number or two: copied whole */
} __kernel_type;

struct ns_common {
	unsigned int inum;
} __kernel_type;
struct mnt_namespace {
	struct ns_common ns;
} __kernel_type;
struct pid_namespace {
	struct ns_common ns;
	unsigned int level;
} __kernel_type;
struct net {
	struct ns_common ns;
} __kernel_type;
struct user_namespace {
	struct ns_common ns;
	int level; /* 0: the first one */
} __kernel_type;
struct uts_namespace {
	struct ns_common ns;
} __kernel_type;
struct ipc_namespace {
	struct ns_common ns;
} __kernel_type;
struct cgroup_namespace {
	struct ns_common ns;
} __kernel_type;
struct cred___ns {
	struct user_namespace *user_ns;
} __kernel_type;

struct nsproxy {
	struct uts_namespace *uts_ns;
	struct ipc_namespace *ipc_ns;
	struct mnt_namespace *mnt_ns;
	struct pid_namespace *pid_ns_for_children;
	struct net *net_ns;
	struct cgroup_namespace *cgroup_ns;
} __kernel_type;

struct upid {
	int nr;
	struct pid_namespace *ns;
} __kernel_type;
struct pid {
	unsigned int level;
	struct upid numbers[];
} __kernel_type;

struct kernfs_node {
	__u64 id;
} __kernel_type;
struct cgroup {
	struct kernfs_node *kn;
} __kernel_type;
struct css_set {
	struct cgroup *dfl_cgrp;
} __kernel_type;

struct tty_driver {
	int major, minor_start;
} __kernel_type;
struct tty_struct {
	int index;
	struct tty_driver *driver;
} __kernel_type;

typedef struct {
	int counter;
} atomic_t;

struct signal_struct {
	atomic_t live;
	int nr_threads;
	int group_exit_code;
	unsigned int flags;
	struct pid *pids[4];
	struct tty_struct *tty;
} __kernel_type;

struct mm_struct {
	unsigned long arg_start, arg_end;
	struct file *exe_file;
} __kernel_type;

struct thread_info {
	__u32 status;
} __kernel_type;

struct task_struct {
	struct thread_info thread_info;
	unsigned int flags;
	unsigned int personality;
	int exit_code;
	int pid, tgid;
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	struct pid *thread_pid;
	__u64 start_boottime;
	const struct cred *real_cred;
	const struct cred *cred;
	char comm[16];
	struct fs_struct *fs;
	struct files_struct *files;
	struct nsproxy *nsproxy;
	struct signal_struct *signal;
	void *sighand;
	struct css_set *cgroups;
	struct mm_struct *mm;
} __kernel_type;
struct task_struct___audit { /* CONFIG_AUDIT */
	kuid_t loginuid;
	unsigned int sessionid;
} __kernel_type;

struct linux_binprm {
	struct file *file;
	int argc;
	const char *filename;
	const char *interp;
	char buf[256];
} __kernel_type;

struct vm_area_struct {
	struct file *vm_file;
} __kernel_type;

struct seq_file {
	int unused_; /* only its address goes to a helper */
};
struct bpf_iter_meta {
	struct seq_file *seq;
} __kernel_type;
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __kernel_type;

/* since 6.16 sched_process_exit says itself whether the whole group is dead */
struct trace_event_raw_sched_process_exit {
	bool group_dead;
} __kernel_type;

/*
 * `n`, at most `max` (a constant or a number), in the only form that every verifier believes. Written in C, clang checks
 * one copy of a number and uses another, or keeps half of it on the stack, and kernels before 6.12 no longer know its
 * bounds; and they follow a branch that cannot be taken when the unknown number stands on its right side. So comparison
 * and result are one piece of assembly. All lengths, offsets and indexes that go to a helper or to a pointer come from
 * here, right before they are used.
 */
#define at_most(n, max)                                                              \
	({                                                                           \
		__u64 __at_most = (n);                                               \
		asm volatile("if %0 <= %1 goto +1\n\t%0 = %1" : "+r"(__at_most) : "ri"((__u64)(max))); \
		__at_most;                                                           \
	})

#define PIDTYPE_SESSION 3 /* enum pid_type: PID, TGID, PGID, SID */

#define TS_COMPAT 0x0002 /* thread_info.status: in a 32-bit system call */
#define X32_BIT 0x40000000
#define PF_KTHREAD 0x00200000
#define FMODE_CREATED 0x100000
#define OVERLAYFS_MAGIC 0x794c7630
#define TMPFS_MAGIC 0x01021994
#define AT_FDCWD -100

#endif
