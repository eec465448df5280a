/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much memory the objects of the kernel take. */
#ifndef MEMORY_H
#define MEMORY_H

#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define CACHES	"/sys/kernel/slab"

/* the number that a file of a cache begins with */
static inline long read_number(int cache, const char *name)
{
	int fd = openat(cache, name, O_RDONLY);
	char text[256] = "";

	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0 || close(fd))
		err(1, "%s", name);
	return atol(text);
}

/*
 * An object counts as in use if it is in the slab from which a CPU allocates
 * now: shrinking takes that away from the CPU first.
 */
static inline long cache_bytes(int directory, const char *name)
{
	int cache = openat(directory, name, O_RDONLY | O_DIRECTORY);
	int shrink = openat(cache, "shrink", O_WRONLY);
	long size = read_number(cache, "slab_size");
	long objects;

	if (write(shrink, "1", 1) != 1)
		err(1, "%s/shrink", name);
	objects = read_number(cache, "objects");
	close(shrink);
	close(cache);
	return objects * size;
}

static inline long bytes_in_use(void)
{
	DIR *directory = opendir(CACHES);
	struct dirent *entry;
	long bytes = 0;

	if (!directory)
		err(1, CACHES);
	/* A link is another name of a cache. */
	while ((entry = readdir(directory)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
			bytes += cache_bytes(dirfd(directory), entry->d_name);
	closedir(directory);
	return bytes;
}

/* bytes of the kernel's objects, once what is being freed has been freed */
static inline double kernel_memory(void)
{
	long least = bytes_in_use();

	/* What one grace period frees may free something else in the next. */
	for (int quiet = 0; quiet < 10; quiet++) {
		long now;

		if (syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
			err(1, "membarrier");
		now = bytes_in_use();
		if (now < least) {
			least = now;
			quiet = 0;
		}
	}
	return least;
}

#endif /* MEMORY_H */
