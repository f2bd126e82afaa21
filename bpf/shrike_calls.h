/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/*
 * Which system calls there are, under which numbers, which kinds of event they make, and who handles them.
 * Same conventions as shrike_event.h; needs shrike_event.h and shrike_filter.h before it.
 *
 * SHRIKE_CALLS: name, x86-64 number, i386 number (-1: none), first and last kind that needs it, the program (in any
 * bpf/ file) that handles its exit, and the one that handles its entry ("none": not hooked).
 * An entry program always runs when a kind of its call is wanted, except the ones named keep_*: they only keep
 * user-memory arguments for the comparison, and run when SHRIKE_TOCTOU is wanted as well.
 */
#ifndef SHRIKE_CALLS_H
#define SHRIKE_CALLS_H

#define SHRIKE_CALLS(X)                                                                      \
	/* process.bpf.c */                                                                  \
	X(execve, 59, 11, EXEC_FAILED, EXEC_FAILED, exit_exec, keep_path)                    \
	X(execveat, 322, 358, EXEC_FAILED, EXEC_FAILED, exit_exec, keep_path)                \
	/* file.bpf.c */                                                                     \
	X(open, 2, 5, OPEN, OPEN, exit_open, keep_path)                                      \
	X(openat, 257, 295, OPEN, OPEN, exit_open, keep_path)                                \
	X(openat2, 437, 437, OPEN, OPEN, exit_open, keep_path)                               \
	X(creat, 85, 8, OPEN, OPEN, exit_open, keep_path)                                    \
	X(open_by_handle_at, 304, 342, OPEN, OPEN, exit_open, none)                          \
	X(rename, 82, 38, RENAME, RENAME, exit_paths, keep_paths)                            \
	X(renameat, 264, 302, RENAME, RENAME, exit_paths, keep_paths)                        \
	X(renameat2, 316, 353, RENAME, RENAME, exit_paths, keep_paths)                       \
	X(link, 86, 9, LINK, LINK, exit_paths, keep_paths)                                   \
	X(linkat, 265, 303, LINK, LINK, exit_paths, keep_paths)                              \
	X(symlink, 88, 83, SYMLINK, SYMLINK, exit_paths, keep_paths)                         \
	X(symlinkat, 266, 304, SYMLINK, SYMLINK, exit_paths, keep_paths)                     \
	X(unlink, 87, 10, UNLINK, UNLINK, exit_path, keep_path)                              \
	X(unlinkat, 263, 301, UNLINK, RMDIR, exit_path, keep_path)                           \
	X(mkdir, 83, 39, MKDIR, MKDIR, exit_path, keep_path)                                 \
	X(mkdirat, 258, 296, MKDIR, MKDIR, exit_path, keep_path)                             \
	X(rmdir, 84, 40, RMDIR, RMDIR, exit_path, keep_path)                                 \
	X(chmod, 90, 15, CHMOD, CHMOD, exit_path, keep_path)                                 \
	X(fchmod, 91, 94, CHMOD, CHMOD, exit_fd, none)                                       \
	X(fchmodat, 268, 306, CHMOD, CHMOD, exit_path, keep_path)                            \
	X(fchmodat2, 452, 452, CHMOD, CHMOD, exit_path, keep_path)                           \
	X(chown, 92, 212, CHOWN, CHOWN, exit_path, keep_path)                                \
	X(lchown, 94, 198, CHOWN, CHOWN, exit_path, keep_path)                               \
	X(fchown, 93, 207, CHOWN, CHOWN, exit_fd, none)                                      \
	X(fchownat, 260, 298, CHOWN, CHOWN, exit_path, keep_path)                            \
	X(chown16, -1, 182, CHOWN, CHOWN, exit_path, keep_path)                              \
	X(lchown16, -1, 16, CHOWN, CHOWN, exit_path, keep_path)                              \
	X(fchown16, -1, 95, CHOWN, CHOWN, exit_fd, none)                                     \
	X(truncate, 76, 92, TRUNCATE, TRUNCATE, exit_path, keep_path)                        \
	X(ftruncate, 77, 93, TRUNCATE, TRUNCATE, exit_fd, none)                              \
	X(truncate64, -1, 193, TRUNCATE, TRUNCATE, exit_path, keep_path)                     \
	X(ftruncate64, -1, 194, TRUNCATE, TRUNCATE, exit_fd, none)                           \
	X(setxattr, 188, 226, SETXATTR, SETXATTR, exit_path, keep_path)                      \
	X(lsetxattr, 189, 227, SETXATTR, SETXATTR, exit_path, keep_path)                     \
	X(fsetxattr, 190, 228, SETXATTR, SETXATTR, exit_fd, none)                            \
	X(setxattrat, 463, 463, SETXATTR, SETXATTR, exit_path, keep_path)                    \
	X(mount, 165, 21, MOUNT, MOUNT, exit_mount, keep_paths)                              \
	X(move_mount, 429, 429, MOUNT, MOUNT, exit_mount, keep_paths)                        \
	X(open_tree, 428, 428, MOUNT, MOUNT, exit_mount, keep_path)                          \
	X(open_tree_attr, 467, 467, MOUNT, MOUNT, exit_mount, keep_path)                     \
	X(fsmount, 432, 432, MOUNT, MOUNT, exit_mount, none)                                 \
	X(mount_setattr, 442, 442, MOUNT, MOUNT, exit_mount, keep_path)                      \
	X(umount2, 166, 52, UMOUNT, UMOUNT, exit_mount, keep_path)                           \
	X(umount, -1, 22, UMOUNT, UMOUNT, exit_mount, keep_path)                             \
	X(pivot_root, 155, 217, PIVOT_ROOT, PIVOT_ROOT, exit_mount, keep_paths)              \
	X(chroot, 161, 61, CHROOT, CHROOT, exit_mount, keep_path)                            \
	/* network.bpf.c */                                                                  \
	X(socket, 41, 359, SOCKET, SOCKET, exit_network, none)                               \
	X(bind, 49, 361, BIND, BIND, exit_network, keep_address)                             \
	X(listen, 50, 363, LISTEN, LISTEN, exit_network, none)                               \
	X(accept, 43, -1, ACCEPT, ACCEPT, exit_network, none)                                \
	X(accept4, 288, 364, ACCEPT, ACCEPT, exit_network, none)                             \
	X(connect, 42, 362, CONNECT, CONNECT, exit_network, keep_address)                    \
	X(sendto, 44, 369, SENDTO, SENDTO, exit_network, keep_address)                       \
	X(sendmsg, 46, 370, SENDTO, SENDTO, exit_network, keep_address)                      \
	X(sendmmsg, 307, 345, SENDTO, SENDTO, exit_network, keep_address)                    \
	X(socketcall, -1, 102, SOCKET, SENDTO, exit_network, keep_address)                   \
	X(dup, 32, 41, DUP, DUP, exit_dup, none)                                             \
	X(dup2, 33, 63, DUP, DUP, exit_dup, none)                                            \
	X(dup3, 292, 330, DUP, DUP, exit_dup, none)                                          \
	X(fcntl, 72, 55, DUP, DUP, exit_dup, none)                                           \
	X(fcntl64, -1, 221, DUP, DUP, exit_dup, none)                                        \
	/* privilege.bpf.c */                                                                \
	X(setuid, 105, 213, SETID, SETID, exit_plain, none)                                  \
	X(setgid, 106, 214, SETID, SETID, exit_plain, none)                                  \
	X(setreuid, 113, 203, SETID, SETID, exit_plain, none)                                \
	X(setregid, 114, 204, SETID, SETID, exit_plain, none)                                \
	X(setresuid, 117, 208, SETID, SETID, exit_plain, none)                               \
	X(setresgid, 119, 210, SETID, SETID, exit_plain, none)                               \
	X(setfsuid, 122, 215, SETID, SETID, exit_plain, none)                                \
	X(setfsgid, 123, 216, SETID, SETID, exit_plain, none)                                \
	X(setgroups, 116, 206, SETID, SETID, exit_plain, none)                               \
	X(setuid16, -1, 23, SETID, SETID, exit_plain, none)                                  \
	X(setgid16, -1, 46, SETID, SETID, exit_plain, none)                                  \
	X(setreuid16, -1, 70, SETID, SETID, exit_plain, none)                                \
	X(setregid16, -1, 71, SETID, SETID, exit_plain, none)                                \
	X(setresuid16, -1, 164, SETID, SETID, exit_plain, none)                              \
	X(setresgid16, -1, 170, SETID, SETID, exit_plain, none)                              \
	X(setfsuid16, -1, 138, SETID, SETID, exit_plain, none)                               \
	X(setfsgid16, -1, 139, SETID, SETID, exit_plain, none)                               \
	X(setgroups16, -1, 81, SETID, SETID, exit_plain, none)                               \
	X(capset, 126, 185, CAPSET, CAPSET, exit_plain, none)                                \
	X(setns, 308, 346, SETNS, SETNS, exit_plain, none)                                   \
	X(unshare, 272, 310, UNSHARE, UNSHARE, exit_plain, none)                             \
	X(userfaultfd, 323, 374, USERFAULTFD, USERFAULTFD, exit_plain, none)                 \
	X(ptrace, 101, 26, PTRACE, PTRACE, exit_other_process, none)                         \
	X(process_vm_readv, 310, 347, VM_ACCESS, VM_ACCESS, exit_other_process, none)        \
	X(process_vm_writev, 311, 348, VM_ACCESS, VM_ACCESS, exit_other_process, none)       \
	X(init_module, 175, 128, MODULE_LOAD, MODULE_LOAD, exit_kernel_code, none)           \
	X(finit_module, 313, 350, MODULE_LOAD, MODULE_LOAD, exit_kernel_code, none)          \
	X(delete_module, 176, 129, MODULE_UNLOAD, MODULE_UNLOAD, exit_kernel_code, none)     \
	X(kexec_load, 246, 283, KEXEC, KEXEC, exit_kernel_code, none)                        \
	X(kexec_file_load, 320, -1, KEXEC, KEXEC, exit_kernel_code, none)                    \
	X(memfd_create, 319, 356, MEMFD, MEMFD, exit_memory, none)                           \
	X(memfd_secret, 447, 447, MEMFD, MEMFD, exit_memory, none)                           \
	X(mmap, 9, 192, MAP_WX, MAP_WX, exit_memory, none)                                   \
	X(mmap_old, -1, 90, MAP_WX, MAP_WX, exit_memory, none)                               \
	X(mprotect, 10, 125, MAP_WX, MAP_WX, exit_memory, none)                              \
	X(pkey_mprotect, 329, 380, MAP_WX, MAP_WX, exit_memory, none)                        \
	X(shmat, 30, 397, MAP_WX, MAP_WX, exit_memory, none)                                 \
	X(ipc, -1, 117, MAP_WX, MAP_WX, exit_memory, none)                                   \
	X(prctl, 157, 172, PRCTL, PRCTL, exit_prctl, none)                                   \
	X(seccomp, 317, 354, PRCTL, PRCTL, exit_prctl, none)                                 \
	X(keyctl, 250, 288, KEYCTL, KEYCTL, exit_keys, none)                                 \
	X(add_key, 248, 286, KEYCTL, KEYCTL, exit_keys, none)                                \
	X(request_key, 249, 287, KEYCTL, KEYCTL, exit_keys, none)                            \
	X(perf_event_open, 298, 336, PERF_EVENT, PERF_EVENT, exit_keys, none)                \
	/* objects.bpf.c */                                                                  \
	X(bpf, 321, 357, BPF, BPF, exit_bpf, none)                                           \
	/* uring.bpf.c */                                                                    \
	X(io_uring_setup, 425, 425, URING_SETUP, URING_SETUP, exit_uring_setup, none)

/* The x32 ABI has numbers of its own from 512 on; every other one is the x86-64 number with the x32 bit. */
#define SHRIKE_X32_CALLS(X)   \
	X(518, sendmsg)             \
	X(520, execve)              \
	X(521, ptrace)              \
	X(528, kexec_load)          \
	X(538, sendmmsg)            \
	X(539, process_vm_readv)    \
	X(540, process_vm_writev)   \
	X(545, execveat)

#define SHRIKE_CALL_NUMBERS 576 /* x86-64 and x32 */
#define SHRIKE_CALL_NUMBERS32 512

enum shrike_call {
	SHRIKE_CALL_none = 0,
#define X(name, nr64, nr32, first, last, on_exit, on_enter) SHRIKE_CALL_##name,
	SHRIKE_CALLS(X)
#undef X
	SHRIKE_CALL_END
};

/* By system call number: the enum shrike_call, 0 where nothing needs it. The last entry stands for all numbers beyond. */
struct shrike_call_tables {
	__u8 enter64[SHRIKE_CALL_NUMBERS + 1];
	__u8 exit64[SHRIKE_CALL_NUMBERS + 1];
	__u8 enter32[SHRIKE_CALL_NUMBERS32 + 1];
	__u8 exit32[SHRIKE_CALL_NUMBERS32 + 1];
	/* SHRIKE_AT_ENTER, SHRIKE_AT_EXIT: the number is needed in one ABI at least. For nearly every call it is in none,
	 * and which one it came through need not be asked. Numbers beyond may be x32's: they are. */
	__u8 needed[SHRIKE_CALL_NUMBERS + 1];
};
#define SHRIKE_AT_ENTER 1
#define SHRIKE_AT_EXIT 2

#ifndef __bpf__

struct shrike_call_info {
	const char *name;
	int number64, number32;
	int first, last; /* enum shrike_kind */
	const char *on_exit, *on_enter;
};

/* By enum shrike_call; the first one is empty. */
static const struct shrike_call_info shrike_call_infos[] = {
	{"", -1, -1, 0, 0, "none", "none"},
#define X(name, nr64, nr32, first, last, on_exit, on_enter) \
	{#name, nr64, nr32, SHRIKE_##first, SHRIKE_##last, #on_exit, #on_enter},
	SHRIKE_CALLS(X)
#undef X
};

/* Is `wanted` (struct shrike_filter.kinds) in need of this call? */
static inline int shrike_call_wanted(const struct shrike_call_info *info, const __u64 wanted[2])
{
	int kind;

	for (kind = info->first; kind <= info->last; kind++)
		if ((wanted[kind / 64] >> (kind % 64)) & 1)
			return 1;
	return 0;
}

/* Does its entry program have to run? */
static inline int shrike_call_enters(const struct shrike_call_info *info, const __u64 wanted[2])
{
	const char *p = info->on_enter;

	if (p[0] == 'n' && p[1] == 'o' && p[2] == 'n' && p[3] == 'e' && p[4] == 0)
		return 0;
	if (p[0] == 'k' && p[1] == 'e' && p[2] == 'e' && p[3] == 'p' && p[4] == '_' &&
	    !((wanted[SHRIKE_TOCTOU / 64] >> (SHRIKE_TOCTOU % 64)) & 1))
		return 0;
	return shrike_call_wanted(info, wanted);
}

/* What the agent puts into the objects' read-only data as `calls`; `tables` comes zeroed. */
static inline void shrike_fill_calls(const __u64 wanted[2], struct shrike_call_tables *tables)
{
	int call;
	unsigned i;
	static const struct {
		int number, call;
	} x32[] = {
#define X(number, name) {number, SHRIKE_CALL_##name},
		SHRIKE_X32_CALLS(X)
#undef X
	};

	for (call = 1; call < SHRIKE_CALL_END; call++) {
		const struct shrike_call_info *info = &shrike_call_infos[call];
		const __u8 on_exit = (__u8)(shrike_call_wanted(info, wanted) ? call : 0);
		const __u8 on_enter = (__u8)(shrike_call_enters(info, wanted) ? call : 0);

		if (info->number64 >= 0) {
			tables->exit64[info->number64] = on_exit;
			tables->enter64[info->number64] = on_enter;
		}
		if (info->number32 >= 0) {
			tables->exit32[info->number32] = on_exit;
			tables->enter32[info->number32] = on_enter;
		}
		for (i = 0; i < sizeof(x32) / sizeof(x32[0]); i++)
			if (x32[i].call == call) {
				tables->exit64[x32[i].number] = on_exit;
				tables->enter64[x32[i].number] = on_enter;
			}
	}
	for (i = 0; i < SHRIKE_CALL_NUMBERS; i++) {
		if (tables->enter64[i] || (i < SHRIKE_CALL_NUMBERS32 && tables->enter32[i]))
			tables->needed[i] |= SHRIKE_AT_ENTER;
		if (tables->exit64[i] || (i < SHRIKE_CALL_NUMBERS32 && tables->exit32[i]))
			tables->needed[i] |= SHRIKE_AT_EXIT;
	}
	tables->needed[SHRIKE_CALL_NUMBERS] = SHRIKE_AT_ENTER | SHRIKE_AT_EXIT;
}

#endif /* !__bpf__ */
#endif
