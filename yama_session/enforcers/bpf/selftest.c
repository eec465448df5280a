// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Does a domain hold?  Programs can be attached and never run.
 *
 * The children share nothing with a possibly threaded parent but must not
 * touch its locks: system calls alone.  No signal tells of their end, so the
 * parent's handlers do not see them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "loader.h"
#include "yama_native.h"

static pid_t start(void)
{
	/* Not clone3(), which systemd takes away with RestrictNamespaces= */
	return syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
}

static int status_of(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, __WCLONE) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -ECHILD;
}

static int drop_privilege(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	const struct __user_cap_data_struct none[2] = { 0 };

	return syscall(SYS_capset, &header, none) ||
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* Of another process; needs what reading its environment needs */
static bool sees_into(pid_t pid)
{
	char path[32], name[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	return readlink(path, name, sizeof(name)) > 0;
}

static bool is_confined(void)
{
	return ys_check(PR_PTRACE_SCOPE_CLASSIC, PR_PTRACE_VIEW_DOMAIN) >= 0;
}

static int child_inside(pid_t outside, pid_t parent)
{
	if (!is_confined() || sees_into(outside) || !sees_into(parent))
		return YS_BPF_SELFTEST_CHILD;
	return 0;
}

static int inside(int token, pid_t outside)
{
	pid_t self = getpid(), child;

	if (drop_privilege() || !sees_into(outside) || kill(outside, 0))
		return YS_BPF_SELFTEST_OUTSIDE;
	if (ys_bpf_apply(token, 0) < 0)
		return YS_BPF_SELFTEST_JOIN;
	if (!is_confined())
		return YS_BPF_SELFTEST_CHECK;
	if (sees_into(outside))
		return YS_BPF_SELFTEST_VIEW;
	if (!kill(outside, 0) || errno != EPERM)
		return YS_BPF_SELFTEST_SIGNAL;
	child = start();
	if (!child)
		_exit(child_inside(outside, self));
	return child > 0 && !status_of(child) ? 0 : YS_BPF_SELFTEST_CHILD;
}

/* It ends with its parent, whose lock on the pins it has a copy of */
static void wait_outside(const int *ready)
{
	close(ready[0]);
	if (drop_privilege() || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) ||
	    write(ready[1], "", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

static int run_beside(int token, pid_t outside, int ready)
{
	char byte;
	pid_t pid;

	if (read(ready, &byte, 1) != 1)
		return YS_BPF_SELFTEST_OUTSIDE;
	pid = start();
	if (!pid)
		_exit(inside(token, outside));
	return pid < 0 ? -errno : status_of(pid);
}

int ys_bpf_selftest(const unsigned char *key)
{
	int ready[2], token, ret;
	pid_t outside;

	token = ys_bpf_token(key);
	if (token < 0)
		return token;
	if (pipe2(ready, O_CLOEXEC)) {
		ret = -errno;
		goto out_token;
	}
	outside = start();
	if (!outside)
		wait_outside(ready);
	ret = -errno;
	close(ready[1]);
	if (outside > 0) {
		ret = run_beside(token, outside, ready[0]);
		kill(outside, SIGKILL);
		status_of(outside);
	}
	close(ready[0]);
out_token:
	close(token);
	return ret;
}
