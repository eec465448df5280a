// SPDX-License-Identifier: GPL-2.0-or-later
/* A private instance of procfs, and the way it comes over /proc */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "yama_native.h"

/*
 * Directories of procfs that are empty for ever and exist to be mounted on
 * (proc_create_mount_point() and register_sysctl_mount_point() in the
 * kernel).  A mount there hides no file of procfs, so carrying it over keeps
 * the new instance "fully visible": a rootless container can still mount its
 * own.  Anything mounted elsewhere under /proc masks a file, and stays behind.
 */
static const char *const mount_points[] = {
	"/proc/sys/fs/binfmt_misc",
	"/proc/fs/nfsd",
	"/proc/openprom",
	"/proc/xen",
};

/* More of them than any machine has */
#define MOST_COVERED	4096

#define NR_MOUNT_POINTS	(sizeof(mount_points) / sizeof(mount_points[0]))

int ys_procfs_new(unsigned int hidepid)
{
	char value[12];
	int fs, ret;

	fs = fsopen("proc", FSOPEN_CLOEXEC);
	if (fs < 0)
		return -errno;
	snprintf(value, sizeof(value), "%u", hidepid);
	/* The source is what mount(8) shows as the name of the mount */
	if (fsconfig(fs, FSCONFIG_SET_STRING, "source", "proc", 0) ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "hidepid", value, 0) ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		ret = -errno;
	else if ((ret = fsmount(fs, FSMOUNT_CLOEXEC,
				MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
				MOUNT_ATTR_NOEXEC)) < 0)
		ret = -errno;
	close(fs);
	return ret;
}

/* 1 if @fd is on a procfs other than the one with device @own, 0 if not */
static int is_foreign(int fd, dev_t own)
{
	struct statfs fs;
	struct stat st;

	if (fstatfs(fd, &fs))
		return -errno;
	if (fs.f_type != PROC_SUPER_MAGIC)
		return 0;
	if (fstat(fd, &st))
		return -errno;
	return st.st_dev != own;
}

static int is_directory(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? -errno : S_ISDIR(st.st_mode);
}

static int check_stdio(dev_t own)
{
	for (int fd = 0; fd <= 2; fd++) {
		int ret = is_foreign(fd, own);

		if (ret == -EBADF)
			continue;
		if (ret)
			return ret < 0 ? ret : -EXDEV;
		ret = is_directory(fd);
		if (ret)
			return ret < 0 ? ret : -EISDIR;
	}
	return 0;
}

/* From any directory of the old namespace ".." leads to its /proc */
static int leads_out(int fd, dev_t own, bool strict)
{
	int ret = is_foreign(fd, own);

	return ret || !strict ? ret : is_directory(fd);
}

static int seal(int fd, dev_t own, bool strict)
{
	int ret = fd <= 2 ? 0 : leads_out(fd, own, strict);

	if (ret > 0)
		ret = fcntl(fd, F_SETFD, FD_CLOEXEC) ? -errno : 0;
	return ret;
}

/*
 * A directory of the old /proc that a program inherits would go on showing
 * what the new instance hides.  The descriptors of this program itself may
 * be in use and stay; none of them survives its next exec.
 */
static int seal_descriptors(dev_t own, bool strict)
{
	union {
		struct dirent64 entry;
		char bytes[1024];
	} buf;
	int dir, ret = 0;
	ssize_t len = 0;

	dir = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	/* Not readdir(): in a child of a threaded program malloc() may be locked */
	while (!ret && (len = getdents64(dir, &buf, sizeof(buf))) > 0)
		for (char *at = buf.bytes; !ret && at < buf.bytes + len;) {
			const struct dirent64 *entry = (void *)at;

			ret = seal(atoi(entry->d_name), own, strict);
			at += entry->d_reclen;
		}
	if (len < 0)
		ret = -errno;
	close(dir);
	return ret;
}

static int cwd_is_foreign(dev_t own)
{
	int ret, fd = open(".", O_PATH | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	ret = is_foreign(fd, own);
	close(fd);
	return ret;
}

/*
 * The same directory in the new instance if there is one.  The path may also
 * lead back to a foreign instance mounted elsewhere, hence the second look.
 */
static int move_cwd(dev_t own)
{
	char path[PATH_MAX];
	int ret = cwd_is_foreign(own);

	if (ret <= 0)
		return ret;
	if (getcwd(path, sizeof(path)) && path[0] == '/' && !chdir(path)) {
		ret = cwd_is_foreign(own);
		if (ret <= 0)
			return ret;
	}
	return chdir("/") ? -errno : 0;
}

static bool is_mount_root(const char *path)
{
	struct statx stx;

	return !statx(AT_FDCWD, path, AT_NO_AUTOMOUNT, 0, &stx) &&
	       stx.stx_attributes & STATX_ATTR_MOUNT_ROOT;
}

/* fds[i] becomes a copy of what is mounted on mount_points[i], or stays -1 */
static int clone_submounts(int *fds)
{
	for (size_t i = 0; i < NR_MOUNT_POINTS; i++) {
		if (!is_mount_root(mount_points[i]))
			continue;
		fds[i] = open_tree(AT_FDCWD, mount_points[i],
				   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
				   AT_NO_AUTOMOUNT);
		if (fds[i] < 0)
			return -errno;
	}
	return 0;
}

static int attach_submounts(const int *fds)
{
	for (size_t i = 0; i < NR_MOUNT_POINTS; i++)
		if (fds[i] >= 0 && move_mount(fds[i], "", AT_FDCWD,
					      mount_points[i],
					      MOVE_MOUNT_F_EMPTY_PATH))
			return -errno;
	return 0;
}

/*
 * /proc alone leaves its peer group.  The rest stays shared, so that mounts
 * made later, by "sudo mount" in the session or by the host, reach the other
 * side.  The old instance is covered, never unmounted: while / is shared, an
 * umount would reach the host, and a covered mount cannot be uncovered
 * from a user namespace below.
 */
static int cover_proc(int mount_fd)
{
	int fds[NR_MOUNT_POINTS], ret;

	for (size_t i = 0; i < NR_MOUNT_POINTS; i++)
		fds[i] = -1;
	ret = clone_submounts(fds);
	if (ret)
		goto out_close;
	if (mount(NULL, "/proc", NULL, MS_PRIVATE, NULL) ||
	    move_mount(mount_fd, "", AT_FDCWD, "/proc",
		       MOVE_MOUNT_F_EMPTY_PATH)) {
		ret = -errno;
		goto out_close;
	}
	/* A mount is only ever moved into the caller's namespace, so now */
	ret = attach_submounts(fds);
out_close:
	for (size_t i = 0; i < NR_MOUNT_POINTS; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return ret;
}

/* Undo the octal escapes of mountinfo, in place */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++)
		if (text[0] == '\\' && text[1] && text[2] && text[3]) {
			*to++ = (text[1] - '0') * 64 + (text[2] - '0') * 8 +
				text[3] - '0';
			text += 3;
		} else {
			*to++ = *text;
		}
	*to = '\0';
}

/* The directory that a mount of procfs has as its root: does it show processes? */
static bool shows_processes(const char *root)
{
	return !strcmp(root, "/") || (root[1] >= '0' && root[1] <= '9');
}

/*
 * The new instance in place of another one, or nothing at all in place of the
 * part of one that the new instance does not show.
 */
static int cover(const char *where, const char *root)
{
	const unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
	char path[PATH_MAX];
	int fd, ret = 0;

	snprintf(path, sizeof(path), "/proc%s", strcmp(root, "/") ? root : "");
	if (mount(NULL, where, NULL, MS_PRIVATE, NULL))
		return -errno;
	fd = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (fd < 0)
		return mount("none", where, "tmpfs", flags, "mode=555,size=4k") &&
		       mount("/dev/null", where, NULL, MS_BIND, NULL) ? -errno : 0;
	if (move_mount(fd, "", AT_FDCWD, where, MOVE_MOUNT_F_EMPTY_PATH))
		ret = -errno;
	close(fd);
	return ret;
}

/* A line of mountinfo that is of a procfs, see proc_pid_mountinfo(5) */
struct procfs_line {
	char *root;
	char *where;
	const char *options;
};

static bool parse(char *line, struct procfs_line *ret)
{
	char *type = strstr(line, " - "), *options, *save = NULL;

	if (!type || strncmp(type, " - proc ", 8))
		return false;
	*type = '\0';
	/* The source is between the type and the options. */
	options = strchr(type + 8, ' ');
	for (int skipped = 0; skipped < 3; skipped++)
		strtok_r(skipped ? NULL : line, " ", &save);
	ret->root = strtok_r(NULL, " ", &save);
	ret->where = strtok_r(NULL, " ", &save);
	ret->options = options ? options + 1 : "";
	if (!ret->where)
		return false;
	unescape(ret->root);
	unescape(ret->where);
	return true;
}

/* Calls @look with each line of a procfs until one returns something but 0, which it returns */
static int for_each_procfs(const char *path,
			   int (*look)(const struct procfs_line *mount, void *data),
			   void *data)
{
	char buf[2 * PATH_MAX + 512], *line, *end;
	struct procfs_line mount;
	size_t used = 0;
	ssize_t len;
	int fd, ret = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (!ret && (len = read(fd, buf + used, sizeof(buf) - 1 - used)) > 0) {
		used += len;
		buf[used] = '\0';
		for (line = buf; !ret && (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			if (parse(line, &mount))
				ret = look(&mount, data);
		}
		used -= line - buf;
		memmove(buf, line, used);
		if (used == sizeof(buf) - 1)
			ret = -E2BIG;
	}
	close(fd);
	return ret;
}

/* 1 if the mount was another procfs, and is covered now */
static int cover_other(const struct procfs_line *mount, void *own)
{
	int fd, ret;

	if (!shows_processes(mount->root))
		return 0;
	/* What is under another mount is out of reach already */
	fd = open(mount->where, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return 0;
	ret = is_foreign(fd, *(const dev_t *)own);
	close(fd);
	if (ret <= 0)
		return ret;
	ret = cover(mount->where, mount->root);
	return ret ? ret : 1;
}

/*
 * Every other procfs in the namespace shows what /proc hides: schroot and
 * pbuilder have one in each of their roots.  What is covered changes the
 * table that is read, so that it is read again from its beginning.
 */
static int cover_others(dev_t own)
{
	int ret, covered = 0;

	while ((ret = for_each_procfs("/proc/self/mountinfo", cover_other, &own)) > 0)
		if (++covered == MOST_COVERED)
			return -E2BIG;
	return ret;
}

static int read_hidepid(const struct procfs_line *mount, void *ret)
{
	static const char *const words[] = {
		"off", "noaccess", "invisible", "", "ptraceable",
	};
	const char *value = strstr(mount->options, "hidepid=");

	if (strcmp(mount->where, "/proc"))
		return 0;
	*(unsigned int *)ret = value ? strtoul(value + 8, NULL, 10) : 0;
	for (unsigned int i = 0; value && i < sizeof(words) / sizeof(words[0]); i++)
		if (*words[i] && !strncmp(value + 8, words[i], strlen(words[i])))
			*(unsigned int *)ret = i;
	return 0;
}

int ys_procfs_as_init(void)
{
	unsigned int hidepid = YS_HIDEPID_PTRACEABLE;
	struct stat own, init;
	int ret;

	if (stat("/proc", &own) || stat("/proc/1/root/proc", &init))
		return -errno;
	if (own.st_dev == init.st_dev)
		return -EALREADY;
	ret = for_each_procfs("/proc/1/mountinfo", read_hidepid, &hidepid);
	return ret < 0 ? ret : ys_procfs_new(hidepid);
}

int ys_procfs_attach(int mount_fd, unsigned int flags)
{
	const bool strict = flags & YS_ATTACH_STRICT;
	struct statfs fs;
	struct stat st;
	int ret;

	/* Whatever can be refused is refused before anything has changed */
	if (flags & ~YS_ATTACH_STRICT)
		return -EINVAL;
	if (fstatfs(mount_fd, &fs) || fstat(mount_fd, &st))
		return -errno;
	if (fs.f_type != PROC_SUPER_MAGIC)
		return -EINVAL;
	if (strict) {
		ret = check_stdio(st.st_dev);
		if (ret)
			return ret;
	}

	if (unshare(CLONE_NEWNS))
		return -errno;
	ret = cover_proc(mount_fd);
	if (!ret && strict)
		ret = cover_others(st.st_dev);
	if (!ret)
		ret = seal_descriptors(st.st_dev, strict);
	if (!ret)
		ret = move_cwd(st.st_dev);
	return ret;
}
