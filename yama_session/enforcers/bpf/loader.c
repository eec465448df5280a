// SPDX-License-Identifier: GPL-2.0-or-later
/* Load and attach the programs; whatever is kept is kept by the caller */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "bpf_abi.h"
#include "loader.h"

_Static_assert(sizeof(((struct ys_bpf_domain *)0)->chain) ==
	       YS_BPF_DEPTH * sizeof(uint64_t), "one id for each level");

/* More than any of our programs uses */
#define MAPS	16

struct ys_bpf {
	struct bpf_object *object;
};

/* libbpf has one callback for all, and a verifier's log is long: the end counts. */
static _Thread_local char said[4096];

static int listen(enum libbpf_print_level level, const char *format,
		  va_list args)
{
	static _Thread_local char line[65536];
	size_t len, used = strlen(said);

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	len = strnlen(line, sizeof(line));
	if (len >= sizeof(said)) {
		memcpy(said, line + len - sizeof(said) + 1, sizeof(said));
		return 0;
	}
	if (used + len >= sizeof(said)) {
		size_t gone = used + len - sizeof(said) + 1;

		memmove(said, said + gone, used - gone);
		used -= gone;
	}
	memcpy(said + used, line, len + 1);
	return 0;
}

const char *ys_bpf_said(void)
{
	return said;
}

/* libbpf closes its own descriptor; this one stays. */
static int kept(int fd)
{
	int copy = fd < 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return fd < 0 || copy >= 0 ? copy : -errno;
}

int ys_bpf_open(const void *object, size_t size, struct ys_bpf **ret)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "yama_session");
	struct ys_bpf *bpf = malloc(sizeof(*bpf));
	int err;

	if (!bpf)
		return -ENOMEM;
	said[0] = '\0';
	libbpf_set_print(listen);
	bpf->object = bpf_object__open_mem(object, size, &opts);
	err = libbpf_get_error(bpf->object);
	if (err) {
		free(bpf);
		return err;
	}
	*ret = bpf;
	return 0;
}

int ys_bpf_reuse(struct ys_bpf *bpf, const char *map, int fd)
{
	struct bpf_map *found = bpf_object__find_map_by_name(bpf->object, map);

	return found ? bpf_map__reuse_fd(found, fd) : -ENOENT;
}

int ys_bpf_load(struct ys_bpf *bpf)
{
	return bpf_object__load(bpf->object);
}

const char *ys_bpf_map_name(struct ys_bpf *bpf, unsigned int index)
{
	struct bpf_map *map;

	bpf_object__for_each_map(map, bpf->object)
		if (!bpf_map__is_internal(map) && !index--)
			return bpf_map__name(map);
	return NULL;
}

int ys_bpf_map(struct ys_bpf *bpf, const char *name)
{
	return kept(bpf_object__find_map_fd_by_name(bpf->object, name));
}

const char *ys_bpf_program(struct ys_bpf *bpf, unsigned int index)
{
	struct bpf_program *program;

	bpf_object__for_each_program(program, bpf->object)
		if (!index--)
			return bpf_program__name(program);
	return NULL;
}

int ys_bpf_attach(struct ys_bpf *bpf, const char *name)
{
	struct bpf_program *program;
	struct bpf_link *link;
	int fd;

	program = bpf_object__find_program_by_name(bpf->object, name);
	if (!program)
		return -ENOENT;
	link = bpf_program__attach(program);
	if (libbpf_get_error(link))
		return libbpf_get_error(link);
	fd = kept(bpf_link__fd(link));
	bpf_link__destroy(link);
	return fd;
}

void ys_bpf_close(struct ys_bpf *bpf)
{
	bpf_object__close(bpf->object);
	free(bpf);
}

int ys_bpf_pin(int fd, const char *path)
{
	return bpf_obj_pin(fd, path);
}

int ys_bpf_pinned(const char *path)
{
	return bpf_obj_get(path);
}

int ys_bpf_is_bpffs(const char *path)
{
	struct statfs st;

	if (statfs(path, &st))
		return -errno;
	return st.f_type == BPF_FS_MAGIC;
}

/* What the program of a link is; @maps may be NULL */
static int about_program(int link, struct bpf_prog_info *ret, __u32 *maps,
			 unsigned int count)
{
	struct bpf_link_info about_link = { 0 };
	__u32 size = sizeof(about_link);
	int program, err;

	err = bpf_obj_get_info_by_fd(link, &about_link, &size);
	if (err)
		return err;
	program = bpf_prog_get_fd_by_id(about_link.prog_id);
	if (program < 0)
		return program;
	memset(ret, 0, sizeof(*ret));
	ret->map_ids = (uintptr_t)maps;
	ret->nr_map_ids = count;
	size = sizeof(*ret);
	err = bpf_obj_get_info_by_fd(program, ret, &size);
	close(program);
	return err;
}

static int is_map(int fd, const char *name)
{
	struct bpf_map_info about = { 0 };
	__u32 size = sizeof(about);
	int err = bpf_obj_get_info_by_fd(fd, &about, &size);

	if (err)
		return err;
	return !strncmp(about.name, name, sizeof(about.name));
}

int ys_bpf_map_of(int link, const char *name)
{
	struct bpf_prog_info about;
	__u32 maps[MAPS], i;
	int err, fd;

	err = about_program(link, &about, maps, MAPS);
	if (err)
		return err;
	for (i = 0; i < about.nr_map_ids && i < MAPS; i++) {
		fd = bpf_map_get_fd_by_id(maps[i]);
		if (fd < 0)
			return fd;
		err = is_map(fd, name);
		if (err > 0)
			return fd;
		close(fd);
		if (err)
			return err;
	}
	return -ENOENT;
}

int ys_bpf_put(int map, const void *key, const void *value)
{
	return bpf_map_update_elem(map, key, value, BPF_ANY);
}

int ys_bpf_get(int map, const void *key, void *ret)
{
	return bpf_map_lookup_elem(map, key, ret);
}

int ys_bpf_drop(int map, const void *key)
{
	return bpf_map_delete_elem(map, key);
}

int ys_bpf_next(int map, const void *key, void *ret)
{
	return bpf_map_get_next_key(map, key, ret);
}

int ys_bpf_read(int iterator_link)
{
	return bpf_iter_create(iterator_link);
}

int ys_bpf_misses(int link)
{
	struct bpf_prog_info about;
	int err = about_program(link, &about, NULL, 0);

	if (err)
		return err;
	return about.recursion_misses < INT_MAX ? about.recursion_misses : INT_MAX;
}
