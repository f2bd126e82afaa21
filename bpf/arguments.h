/* SPDX-License-Identifier: GPL-2.0 OR BSD-3-Clause */
/* Which arguments of a system call are paths, and what they are relative to. One table for entry and exit. */
#ifndef SHRIKE_ARGUMENTS_H
#define SHRIKE_ARGUMENTS_H

#include "call.h"

#define PATH_ARGUMENT(which, directory, argument)       \
	do {                                            \
		(which)->dirfd = (__s32)(directory);    \
		(which)->user = c->arg[argument];       \
	} while (0)

/* Global: to the verifier, what comes back is the same for every call, and it follows one way instead of ten. */
__weak __noinline int path_arguments(struct call *c, struct path_argument *first, struct path_argument *second)
{
	if (!c || !first || !second)
		return 0;
	first->user = second->user = 0;
	first->dirfd = second->dirfd = AT_FDCWD;
	switch (c->id) {
	/* (path, ...) */
	case SHRIKE_CALL_execve:
	case SHRIKE_CALL_open:
	case SHRIKE_CALL_creat:
	case SHRIKE_CALL_unlink:
	case SHRIKE_CALL_mkdir:
	case SHRIKE_CALL_rmdir:
	case SHRIKE_CALL_chmod:
	case SHRIKE_CALL_chown:
	case SHRIKE_CALL_lchown:
	case SHRIKE_CALL_chown16:
	case SHRIKE_CALL_lchown16:
	case SHRIKE_CALL_truncate:
	case SHRIKE_CALL_truncate64:
	case SHRIKE_CALL_setxattr:
	case SHRIKE_CALL_lsetxattr:
	case SHRIKE_CALL_umount:
	case SHRIKE_CALL_umount2:
	case SHRIKE_CALL_chroot:
		PATH_ARGUMENT(first, AT_FDCWD, 0);
		break;
	/* (dirfd, path, ...) */
	case SHRIKE_CALL_execveat:
	case SHRIKE_CALL_openat:
	case SHRIKE_CALL_openat2:
	case SHRIKE_CALL_unlinkat:
	case SHRIKE_CALL_mkdirat:
	case SHRIKE_CALL_fchmodat:
	case SHRIKE_CALL_fchmodat2:
	case SHRIKE_CALL_fchownat:
	case SHRIKE_CALL_setxattrat:
	case SHRIKE_CALL_open_tree:
	case SHRIKE_CALL_open_tree_attr:
	case SHRIKE_CALL_mount_setattr:
		PATH_ARGUMENT(first, c->arg[0], 1);
		break;
	/* (path, path, ...) */
	case SHRIKE_CALL_rename:
	case SHRIKE_CALL_link:
	case SHRIKE_CALL_symlink:
	case SHRIKE_CALL_mount:
	case SHRIKE_CALL_pivot_root:
		PATH_ARGUMENT(first, AT_FDCWD, 0);
		PATH_ARGUMENT(second, AT_FDCWD, 1);
		break;
	/* (dirfd, path, dirfd, path, ...) */
	case SHRIKE_CALL_renameat:
	case SHRIKE_CALL_renameat2:
	case SHRIKE_CALL_linkat:
	case SHRIKE_CALL_move_mount:
		PATH_ARGUMENT(first, c->arg[0], 1);
		PATH_ARGUMENT(second, c->arg[2], 3);
		break;
	case SHRIKE_CALL_symlinkat:
		PATH_ARGUMENT(first, AT_FDCWD, 0);
		PATH_ARGUMENT(second, c->arg[1], 2);
		break;
	}
	return 0;
}

#endif
