// SPDX-License-Identifier: GPL-2.0-or-later
/* What it costs to list the processes in /proc, and how many there are. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include "measure.h"

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

static void count(long length)
{
	for (long at = 0; at < length;) {
		struct record *record = (struct record *)((char *)buffer + at);

		if (isdigit(record->name[0]))
			processes++;
		at += record->reclen;
	}
}

static void list(void)
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

int main(void)
{
	measure("readdir", 21, 1, list);
	print_number("processes", processes);
	return 0;
}
