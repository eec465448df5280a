/* SPDX-License-Identifier: GPL-2.0-or-later */
/* List the processes in /proc, and count them. */
#ifndef LISTING_H
#define LISTING_H

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* a record of getdents64(2) */
struct record {
	unsigned long ino;
	long off;
	unsigned short reclen;
	unsigned char type;
	char name[];
};

static unsigned long buffer[4096];
static int processes;

static inline void count(long length)
{
	for (long at = 0; at < length;) {
		struct record *record = (struct record *)((char *)buffer + at);

		if (isdigit(record->name[0]))
			processes++;
		at += record->reclen;
	}
}

static inline void list(void)
{
	int fd = open("/proc", O_RDONLY | O_DIRECTORY);
	long length;

	if (fd < 0)
		err(1, "/proc");
	processes = 0;
	while ((length = syscall(SYS_getdents64, fd, buffer, sizeof(buffer))) > 0)
		count(length);
	if (length < 0)
		err(1, "getdents64");
	close(fd);
}

#endif /* LISTING_H */
