// SPDX-License-Identifier: GPL-2.0-or-later
/* The kernel's part of `ps ax`: stat, status and cmdline of each process. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include "measure.h"

static int processes;

static void read_file(const char *pid, const char *name)
{
	char path[64], text[4096];
	int fd;

	snprintf(path, sizeof(path), "/proc/%.16s/%s", pid, name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text)) < 0 || close(fd))
		err(1, "%s", path);
}

static void read_process(const char *pid)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%.16s", pid);
	if (stat(path, &st))
		err(1, "%s", path);
	read_file(pid, "stat");
	read_file(pid, "status");
	read_file(pid, "cmdline");
}

static void ps(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	if (!proc)
		err(1, "/proc");
	processes = 0;
	while ((entry = readdir(proc)))
		if (isdigit(entry->d_name[0])) {
			read_process(entry->d_name);
			processes++;
		}
	closedir(proc);
}

int main(void)
{
	measure("ps", 11, 1, ps);
	print_number("processes", processes);
	return 0;
}
