// SPDX-License-Identifier: GPL-2.0-or-later
/* Apply a token, and prove that it holds */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "yama_native.h"

/* Where the first ones were for ids of 16 bits */
#ifdef SYS_setresuid32
#define SET_UIDS	SYS_setresuid32
#define SET_GIDS	SYS_setresgid32
#else
#define SET_UIDS	SYS_setresuid
#define SET_GIDS	SYS_setresgid
#endif

int ys_token_apply(enum ys_enforcer enforcer, int token_fd, unsigned int flags)
{
	if (flags & ~PR_PTRACE_SCOPE_F_THREAD)
		return -EINVAL;
	switch (enforcer) {
	case YS_YAMA:
		return ys_join(token_fd, flags);
	case YS_LANDLOCK:	/* holds for the calling thread, always */
		return ys_landlock_restrict(token_fd);
	case YS_BPF:
		return ys_bpf_apply(token_fd, flags);
	}
	return -EINVAL;
}

/* As the kernel has it: glibc leaves out a signal of its own, for all threads */
struct mask {
	unsigned long bits[_NSIG / (8 * sizeof(long))];
};

static long set_mask(const struct mask *mask, struct mask *ret)
{
	return syscall(SYS_rt_sigprocmask, SIG_SETMASK, mask, ret,
		       sizeof(mask->bits));
}

static long block_all(struct mask *ret)
{
	struct mask all;

	memset(&all, 0xff, sizeof(all));
	return set_mask(&all, ret);
}

long ys_child(void)
{
	struct clone_args args = { .exit_signal = 0 };
	struct mask before;
	long pid;

	if (block_all(&before))
		return -errno;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	/* A filter cannot look into the arguments, and so leaves clone(2) alone */
	if (pid < 0 && (errno == ENOSYS || errno == EPERM))
		pid = syscall(SYS_clone, 0, 0, 0, 0, 0);
	if (!pid)
		return 0;
	if (pid < 0)
		pid = -errno;
	set_mask(&before, NULL);
	return pid;
}

int ys_child_status(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WCLONE) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

/*
 * Of a caller with two ids (atd, su) the effective ones count, for each.  The
 * calls are raw, as the C library's would signal the parent's other threads.
 */
static void stand_by(int sock)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	const struct __user_cap_data_struct none[2] = { 0 };
	const gid_t gid = getegid();
	const uid_t uid = geteuid();
	char byte = 0;

	if (syscall(SET_GIDS, gid, gid, gid) ||
	    syscall(SET_UIDS, uid, uid, uid) ||
	    syscall(SYS_capset, &header, none) ||
	    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) || write(sock, &byte, 1) != 1)
		_exit(errno);
	/* Until the parent lets go, or is gone: a signal of that might not come */
	while (read(sock, &byte, 1) < 0 && errno == EINTR)
		continue;
	_exit(0);
}

int ys_bystander(pid_t *ret)
{
	int ends[2], err;
	ssize_t n;
	char byte;
	long pid;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends))
		return -errno;
	pid = ys_child();
	if (!pid) {
		close(ends[0]);
		stand_by(ends[1]);
	}
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return pid;
	}
	while ((n = read(ends[0], &byte, 1)) < 0 && errno == EINTR)
		continue;
	if (n == 1) {
		*ret = pid;
		return ends[0];
	}
	close(ends[0]);
	err = ys_child_status(pid);
	return err < 0 ? err : -ECHILD;
}

void ys_bystander_end(int fd, pid_t bystander)
{
	kill(bystander, SIGKILL);
	close(fd);
	ys_child_status(bystander);
}

static int look_around(pid_t outside)
{
	char path[24], self[16];
	struct stat st;
	ssize_t len;

	/* A procfs of another pid namespace would answer for someone else */
	len = readlink("/proc/self", self, sizeof(self) - 1);
	if (len < 0)
		return -errno;
	self[len] = '\0';
	if (atoi(self) != getpid() || stat("/proc/self/stat", &st))
		return -ENOENT;
	if (!outside)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d", outside);
	return stat(path, &st) && errno == ENOENT ? 0 : -EACCES;
}

static int look_around_incapable(pid_t outside)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct own[2], none[2];
	int ret;

	if (syscall(SYS_capget, &header, own))
		return -errno;
	for (int i = 0; i < 2; i++) {
		none[i] = own[i];
		none[i].effective = 0;
	}
	ret = syscall(SYS_capset, &header, none) ? -errno :
						   look_around(outside);
	if (syscall(SYS_capset, &header, own))
		ret = -errno;
	return ret;
}

/*
 * As a user whom @outside does not belong to.  Which one that is cannot be
 * asked, as it is hidden, so another one is tried where it is seen.  Of the
 * first nobody has a process, but in a user namespace few need be there.
 */
static int look_around_as_stranger(pid_t outside)
{
	static const uid_t strangers[] = { (uid_t)-2, 65534, 1 };
	const uid_t uid = getuid();
	int ret = 1;

	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++) {
		/* The real uid alone: no capability and no right goes with it */
		if (syscall(SET_UIDS, strangers[i], -1, -1))
			continue;
		ret = look_around_incapable(outside);
		if (syscall(SET_UIDS, uid, -1, -1))
			return -errno;
		if (ret != -EACCES)
			break;
	}
	return ret > 0 ? look_around_incapable(outside) : ret;
}

/*
 * A thread's credentials are its own: nothing else of a threaded caller
 * changes.  No signal may come, or a handler jump out, before they are back.
 */
static int prove(unsigned int scope, unsigned int view, pid_t outside)
{
	struct mask before;
	int ret = ys_check(scope, view);

	if (ret < 0)
		return ret;
	if (block_all(&before))
		return -errno;
	if (outside && view == PR_PTRACE_VIEW_USER)
		ret = look_around_as_stranger(outside);
	else
		ret = look_around_incapable(outside);
	set_mask(&before, NULL);
	return ret;
}

int ys_verify(enum ys_enforcer enforcer, unsigned int scope, unsigned int view,
	      pid_t outside)
{
	long pid;

	if (enforcer < YS_YAMA || enforcer > YS_BPF || outside < 0)
		return -EINVAL;
	if (!view)
		outside = 0;
	switch (enforcer) {
	case YS_LANDLOCK:
		/*
		 * Another uid's process is hidden by a ptraceable procfs
		 * anyway: that Landlock holds shows in that it is hidden from
		 * the capable too.
		 */
		return look_around(outside);
	case YS_BPF:
		/* A child, as to be born inside is a program's doing as well */
		pid = ys_child();
		if (!pid)
			_exit(-prove(scope, view, outside));
		return pid < 0 ? pid : ys_child_status(pid);
	default:
		return prove(scope, view, outside);
	}
}
