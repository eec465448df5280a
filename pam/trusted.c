// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading what the service has left, and nobody else */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "module.h"

/**
 * trusted_open - open a file that root alone could have written
 * @path:      the file, in a directory of root's
 * @forbidden: permissions that it must not have
 *
 * Return: a descriptor; -ENOENT: there is no such file; -EPERM: not a regular
 * file of root's with these permissions.
 */
int trusted_open(const char *path, mode_t forbidden)
{
	__cleanup(close_fd) int fd = -1;
	struct stat st;

	fd = open(path,
		  O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || st.st_uid != 0 || (st.st_mode & forbidden))
		return -EPERM;
	return steal_fd(&fd);
}

/*
 * Before the service has run since boot there is what it left before; an older
 * one leaves it below /run.
 */
static int open_left(const char *name, mode_t forbidden)
{
	static const char *const directories[] = {
		"/var/lib/yama-session",
		"/run/yama-session",
	};
	char path[64];
	int fd = -ENOENT;

	for (size_t i = 0; i < 2 && fd == -ENOENT; i++) {
		snprintf(path, sizeof(path), "%s/%s", directories[i], name);
		fd = trusted_open(path, forbidden);
	}
	return fd;
}

/**
 * trusted_read - read a small file that the service has left
 * @name:      its name
 * @forbidden: permissions that it must not have
 * @text:      room for what stands in it, not ended by a NUL
 * @size:      that much; a file that fills it counts as too large
 *
 * Return: the length; -EFBIG: too large; else as trusted_open().
 */
ssize_t trusted_read(const char *name, mode_t forbidden, char *text,
		     size_t size)
{
	__cleanup(close_fd) int fd = -1;
	size_t len = 0;
	ssize_t n;

	fd = open_left(name, forbidden);
	if (fd < 0)
		return fd;
	while (len < size) {
		n = read(fd, text + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return (ssize_t)len;
		len += (size_t)n;
	}
	return -EFBIG;
}
