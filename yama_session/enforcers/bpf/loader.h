/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The object with the BPF programs, loaded by libbpf; for the service alone.
 *
 * As in yama_native.h every function that returns an int returns a value >= 0
 * or a negative errno, and every descriptor is close-on-exec and the caller's.
 */
#ifndef LOADER_H
#define LOADER_H

#include <stddef.h>
#include <stdint.h>

#define YS_BPF_SELFTEST_OUTSIDE	1	/* nothing to see even before: proves nothing */
#define YS_BPF_SELFTEST_JOIN	2	/* the token was refused */
#define YS_BPF_SELFTEST_CHECK	3	/* the caller is in no such domain */
#define YS_BPF_SELFTEST_VIEW	4	/* sees into a process outside */
#define YS_BPF_SELFTEST_SIGNAL	5	/* reaches a process outside by kill() */
#define YS_BPF_SELFTEST_CHILD	6	/* its child is outside, or does not see it */

struct ys_bpf;

/*
 * ys_bpf_open() reads an object from memory, which must stay until
 * ys_bpf_close().  ys_bpf_reuse() has it use a map that is there already in
 * place of one of its own; the rest follows ys_bpf_load(), which has the
 * kernel verify all programs.  ys_bpf_map_name() and ys_bpf_program() return
 * their names, NULL behind the last, and ys_bpf_attach() a link for a program:
 * it acts as long as a descriptor or a pin is left.  ys_bpf_said() is what
 * libbpf said last in this thread.
 */
int ys_bpf_open(const void *object, size_t size, struct ys_bpf **ret);
int ys_bpf_reuse(struct ys_bpf *bpf, const char *map, int fd);
int ys_bpf_load(struct ys_bpf *bpf);
const char *ys_bpf_map_name(struct ys_bpf *bpf, unsigned int index);
int ys_bpf_map(struct ys_bpf *bpf, const char *name);
const char *ys_bpf_program(struct ys_bpf *bpf, unsigned int index);
int ys_bpf_attach(struct ys_bpf *bpf, const char *program);
void ys_bpf_close(struct ys_bpf *bpf);
const char *ys_bpf_said(void);

/* Objects of the kernel, by descriptor or by path in a bpffs */
int ys_bpf_pin(int fd, const char *path);
int ys_bpf_pinned(const char *path);
int ys_bpf_is_bpffs(const char *path);

/* The map of that name that the program of a link uses, or -ENOENT */
int ys_bpf_map_of(int link, const char *name);

/*
 * Entries of a map; ys_bpf_get() is -ENOENT where there is none.
 * ys_bpf_next() gives the key after one, the first after NULL; -ENOENT: no more.
 */
int ys_bpf_put(int map, const void *key, const void *value);
int ys_bpf_get(int map, const void *key, void *ret);
int ys_bpf_drop(int map, const void *key);
int ys_bpf_next(int map, const void *key, void *ret);

/* A descriptor that reads as one struct ys_bpf_member for each member */
int ys_bpf_read(int iterator_link);

/* How often the kernel has left the program of a link out, at most INT_MAX */
int ys_bpf_misses(int link);

/*
 * selftest.c: from children without privilege, does a domain hold?  @key opens
 * one with the view `domain`.  Returns 0 or YS_BPF_SELFTEST_*.
 */
int ys_bpf_selftest(const unsigned char *key);

#endif /* LOADER_H */
