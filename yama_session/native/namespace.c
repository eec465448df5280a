// SPDX-License-Identifier: GPL-2.0-or-later
/* A user and mount namespace in which the caller stays who it is */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "yama_native.h"

static int write_file(const char *path, const char *text)
{
	int fd, ret = 0;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int ys_userns_enter(unsigned int flags)
{
	uid_t uid = geteuid();
	gid_t gid = getegid();
	char map[32];
	int ret;

	if (flags & ~YS_USERNS_PID)
		return -EINVAL;
	/* Only in a mount namespace of its own may the caller make a procfs */
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS |
		    (flags & YS_USERNS_PID ? CLONE_NEWPID : 0)))
		return -errno;
	snprintf(map, sizeof(map), "%u %u 1\n", uid, uid);
	ret = write_file("/proc/self/uid_map", map);
	if (ret)
		return ret;
	/* The kernel's condition for an unprivileged gid_map, user_namespaces(7) */
	ret = write_file("/proc/self/setgroups", "deny");
	if (ret)
		return ret;
	snprintf(map, sizeof(map), "%u %u 1\n", gid, gid);
	return write_file("/proc/self/gid_map", map);
}
