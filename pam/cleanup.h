/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Owning local variables: -1 and NULL own nothing. */
#ifndef PAM_YAMA_CLEANUP_H
#define PAM_YAMA_CLEANUP_H

#include <errno.h>
#include <unistd.h>

static inline void close_fd(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

static inline int steal_fd(int *fd)
{
	int ret = *fd;

	*fd = -1;
	return ret;
}

#define __cleanup(f)	__attribute__((cleanup(f)))

#endif /* PAM_YAMA_CLEANUP_H */
