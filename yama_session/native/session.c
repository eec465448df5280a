// SPDX-License-Identifier: GPL-2.0-or-later
/* Apply a token, and prove that it holds */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <pthread.h>
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

/* Until the end raw system calls: the child must not touch the parent's locks */
static void stand_by(int ready)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	const struct __user_cap_data_struct none[2] = { 0 };

	if (syscall(SYS_capset, &header, none) ||
	    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) ||
	    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
	    write(ready, "", 1) != 1)
		_exit(errno);
	for (;;)
		pause();
}

pid_t ys_bystander(void)
{
	int ready[2], ret;
	char byte;
	long pid;

	if (pipe2(ready, O_CLOEXEC))
		return -errno;
	pid = start_child();
	if (!pid)
		stand_by(ready[1]);
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

/*
 * A thread's capabilities are its own: nothing else of a threaded caller
 * changes.  No handler of its may run, or jump out, before they are back.
 */
static int look_around_incapable(pid_t outside)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct own[2], none[2];
	sigset_t all, blocked;
	int ret;

	if (syscall(SYS_capget, &header, own))
		return -errno;
	for (int i = 0; i < 2; i++) {
		none[i] = own[i];
		none[i].effective = 0;
	}
	sigfillset(&all);
	ret = pthread_sigmask(SIG_SETMASK, &all, &blocked);
	if (ret)
		return -ret;
	ret = syscall(SYS_capset, &header, none) ? -errno :
						   look_around(outside);
	if (syscall(SYS_capset, &header, own))
		ret = -errno;
	pthread_sigmask(SIG_SETMASK, &blocked, NULL);
	return ret;
}

int ys_verify(enum ys_enforcer enforcer, unsigned int scope, unsigned int view,
	      pid_t outside)
{
	int ret;

	if (enforcer < YS_YAMA || enforcer > YS_BPF || outside < 0)
		return -EINVAL;
	if (!view)
		outside = 0;
	/*
	 * Another uid's process is hidden by a ptraceable procfs anyway: that
	 * Landlock holds shows in that it is hidden from the capable too.
	 */
	if (enforcer == YS_LANDLOCK)
		return look_around(outside);
	ret = ys_check(scope, view);
	return ret < 0 ? ret : look_around_incapable(outside);
}
