// SPDX-License-Identifier: GPL-2.0-or-later
/* What the kernel says about a domain, read strictly */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "yama_native.h"

/* The kernel's own texts are far shorter */
#define TEXT_MAX	512

static const char *const view_names[] = {
	[PR_PTRACE_VIEW_ALL] = "all",
	[PR_PTRACE_VIEW_USER] = "user",
	[PR_PTRACE_VIEW_DOMAIN] = "domain",
	[PR_PTRACE_VIEW_INFERIORS] = "inferiors",
};

/* What is left of a text */
struct text {
	const char *at;
	const char *end;
};

static bool take(struct text *text, const char *word)
{
	size_t len = strlen(word);

	if ((size_t)(text->end - text->at) < len || memcmp(text->at, word, len))
		return false;
	text->at += len;
	return true;
}

/* A decimal number as the kernel prints it: no sign, space or leading zero */
static bool take_number(struct text *text, uint64_t max, uint64_t *ret)
{
	const char *start = text->at;
	uint64_t value = 0;

	while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
		uint64_t digit = *text->at++ - '0';

		if (digit > max || value > (max - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	if (text->at == start || (*start == '0' && text->at - start > 1))
		return false;
	*ret = value;
	return true;
}

static bool take_uint(struct text *text, uint64_t max, unsigned int *ret)
{
	uint64_t value;

	if (!take_number(text, max, &value))
		return false;
	*ret = value;
	return true;
}

static bool take_view(struct text *text, unsigned int *ret)
{
	for (unsigned int i = 0; i <= PR_PTRACE_VIEW_INFERIORS; i++)
		if (take(text, view_names[i])) {
			*ret = i;
			return true;
		}
	return false;
}

int ys_view(const char *word, size_t len)
{
	struct text text = { word, word + len };
	unsigned int view;

	if (!take_view(&text, &view) || text.at != text.end)
		return -EINVAL;
	return view;
}

const char *ys_view_word(unsigned int view)
{
	return view <= PR_PTRACE_VIEW_INFERIORS ? view_names[view] : NULL;
}

int ys_parse_attr(const char *buf, size_t len, struct ys_domain_info *ret)
{
	struct text text = { buf, buf + len };
	struct ys_domain_info info = { 0 };

	if (take(&text, "none\n"))
		return text.at == text.end ? 0 : -EBADMSG;
	if (!take(&text, "scope=") ||
	    !take_uint(&text, PR_PTRACE_SCOPE_NO_ATTACH, &info.scope) ||
	    !take(&text, " view=") || !take_view(&text, &info.view) ||
	    !take(&text, " depth=") ||
	    !take_uint(&text, UINT32_MAX, &info.depth) ||
	    !take(&text, " id=") || !take_number(&text, UINT64_MAX, &info.id))
		return -EBADMSG;
	info.override = take(&text, " override");
	if (!take(&text, "\n") || text.at != text.end)
		return -EBADMSG;
	*ret = info;
	return 1;
}

/* Moves to what follows @key at the start of a line; @key must be there once */
static bool find_line(const char *buf, size_t len, const char *key,
		      struct text *ret)
{
	struct text text = { buf, buf + len };
	bool found = false;

	while (text.at < text.end) {
		const char *eol = memchr(text.at, '\n', text.end - text.at);

		if (!eol)
			return false;
		if (take(&text, key)) {
			if (found)
				return false;
			found = true;
			*ret = (struct text){ text.at, eol };
		}
		text.at = eol + 1;
	}
	return found;
}

int ys_parse_fdinfo(const char *buf, size_t len, struct ys_domain_info *ret)
{
	struct ys_domain_info info = { 0 };
	struct text scope, view, depth, id, override;

	if (!find_line(buf, len, "yama-scope:\t", &scope) ||
	    !find_line(buf, len, "yama-view:\t", &view) ||
	    !find_line(buf, len, "yama-depth:\t", &depth) ||
	    !find_line(buf, len, "yama-id:\t", &id) ||
	    !find_line(buf, len, "yama-override:\t", &override))
		return -EBADMSG;
	if (!take_uint(&scope, PR_PTRACE_SCOPE_NO_ATTACH, &info.scope) ||
	    !take_view(&view, &info.view) ||
	    !take_uint(&depth, UINT32_MAX, &info.depth) ||
	    !take_number(&id, UINT64_MAX, &info.id) ||
	    !take_uint(&override, 1, &info.override))
		return -EBADMSG;
	if (scope.at != scope.end || view.at != view.end ||
	    depth.at != depth.end || id.at != id.end ||
	    override.at != override.end)
		return -EBADMSG;
	*ret = info;
	return 1;
}

/* The length of the file at @path, which must fit with room to spare */
static int read_file(const char *path, char buf[TEXT_MAX])
{
	ssize_t len;
	int fd, ret;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = read(fd, buf, TEXT_MAX);
	ret = len < 0 ? -errno : (int)len;
	close(fd);
	return ret == TEXT_MAX ? -EBADMSG : ret;
}

int ys_describe(pid_t pid, struct ys_domain_info *ret)
{
	char path[48], buf[TEXT_MAX];
	struct stat st;
	int len;

	if (pid <= 0)
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/%d/attr/yama/scope", pid);
	len = read_file(path, buf);
	if (len >= 0)
		return ys_parse_attr(buf, len, ret);
	if (len == -ESRCH)	/* gone between open and read */
		return -ENOENT;
	if (len != -ENOENT)
		return len;
	/* Is it the task that is missing, or the file? */
	snprintf(path, sizeof(path), "/proc/%d", pid);
	return stat(path, &st) ? -errno : -EOPNOTSUPP;
}

int ys_info(int domain_fd, struct ys_domain_info *ret)
{
	char path[40], buf[TEXT_MAX];
	int len;

	if (domain_fd < 0)
		return -EBADF;
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", domain_fd);
	len = read_file(path, buf);
	if (len == -ENOENT)
		return -EBADF;
	return len < 0 ? len : ys_parse_fdinfo(buf, len, ret);
}

int ys_may_attach(int pidfd)
{
	int fd;

	if (fcntl(pidfd, F_GETFD) < 0)
		return -EBADF;
	/* Access is judged before the descriptor is looked for, which nobody has */
	fd = syscall(SYS_pidfd_getfd, pidfd, INT_MAX, 0);
	if (fd >= 0)
		close(fd);
	if (fd >= 0 || errno == EBADF)
		return 1;
	return errno == EPERM ? 0 : -errno;
}
