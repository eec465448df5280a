// SPDX-License-Identifier: GPL-2.0-or-later
/* Apply a token, and prove from a child that it holds */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "yama_native.h"

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

/*
 * With no exit signal a child is invisible to the application: its SIGCHLD
 * handler is not called, its wait() cannot take our child, and an ignored
 * SIGCHLD does not reap it before we do.
 */
static long start_child(void)
{
	struct clone_args args = { .exit_signal = 0 };
	long pid = syscall(SYS_clone3, &args, sizeof(args));

	return pid < 0 ? -errno : pid;
}

static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WCLONE) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}

/*
 * From here to ys_verify() the code runs in a child, which shares nothing
 * with a possibly threaded parent but must not touch its locks: system calls
 * alone, and raw where the C library would signal other threads.
 */
static int drop_to(uid_t uid, gid_t gid)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	const struct __user_cap_data_struct none[2] = { 0 };

	if (getuid() != uid || geteuid() != uid ||
	    getgid() != gid || getegid() != gid)
		if (syscall(SYS_setgroups, 0, NULL) ||
		    syscall(SYS_setresgid, gid, gid, gid) ||
		    syscall(SYS_setresuid, uid, uid, uid))
			return -errno;
	return syscall(SYS_capset, &header, none) ? -errno : 0;
}

static int look_around(const char *outside)
{
	char self[16];
	struct stat st;
	ssize_t len;

	/* A procfs of another pid namespace would answer for someone else */
	len = readlink("/proc/self", self, sizeof(self) - 1);
	if (len < 0)
		return -errno;
	self[len] = '\0';
	if (atoi(self) != getpid() || stat("/proc/self/stat", &st))
		return -ENOENT;
	if (!outside || (stat(outside, &st) && errno == ENOENT))
		return 0;
	return -EACCES;
}

static int verify_in_child(enum ys_enforcer enforcer, unsigned int scope,
			   unsigned int view, const char *outside,
			   uid_t uid, gid_t gid)
{
	int ret;

	if (enforcer == YS_LANDLOCK) {
		/*
		 * Another uid's process is hidden from @uid by a ptraceable
		 * procfs anyway; that Landlock holds shows in that it is
		 * hidden from the privileged too.
		 */
		ret = look_around(outside);
		if (ret)
			return ret;
	} else {
		ret = ys_check(scope, view);
		if (ret < 0)
			return ret;
	}
	ret = drop_to(uid, gid);
	return ret ? ret : look_around(outside);
}

static void stand_by(uid_t uid, gid_t gid, int ready)
{
	int ret = drop_to(uid, gid);

	/* Whoever changes their ids is looked into by nobody, of any domain. */
	if (!ret && (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) ||
		     prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
		     write(ready, "", 1) != 1))
		ret = -errno;
	if (ret)
		_exit(-ret);
	for (;;)
		pause();
}

pid_t ys_bystander(uid_t uid, gid_t gid)
{
	int ready[2], ret;
	char byte;
	long pid;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	pid = start_child();
	if (!pid)
		stand_by(uid, gid, ready[1]);
	close(ready[1]);
	if (pid > 0) {
		while ((ret = read(ready[0], &byte, 1)) < 0 && errno == EINTR)
			continue;
		if (ret != 1) {
			kill(pid, SIGKILL);
			ret = status_of(pid);
			pid = ret < 0 ? ret : -ECHILD;
		}
	}
	close(ready[0]);
	return pid;
}

void ys_bystander_end(pid_t bystander)
{
	kill(bystander, SIGKILL);
	status_of(bystander);
}

int ys_verify(enum ys_enforcer enforcer, unsigned int scope, unsigned int view,
	      pid_t outside, uid_t uid, gid_t gid)
{
	char path[24];
	long pid;

	if (enforcer < YS_YAMA || enforcer > YS_BPF || outside < 0)
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/%d", outside);

	pid = start_child();
	if (pid < 0)
		return pid;
	if (!pid)
		_exit(-verify_in_child(enforcer, scope, view,
				       outside && view ? path : NULL,
				       uid, gid));
	return status_of(pid);
}
