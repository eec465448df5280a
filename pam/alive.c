// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Is there a service at all?  It holds a lock on a file for as long as it
 * lives, so that a login need not connect to the bus for somebody who is not
 * there: that takes longer than all that the fallback then does.
 */
#include <fcntl.h>

#include "cleanup.h"
#include "module.h"

#define ALIVE_PATH	"/run/yama-session/alive"

/**
 * service_has_gone - has a service been here that is not any more?
 *
 * The lock is looked at and never taken: a service that starts meanwhile finds
 * it free.  Without the file nothing is known, and the bus has to tell.
 *
 * Return: true only if nobody holds the lock.
 */
bool service_has_gone(void)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	__cleanup(close_fd) int fd = trusted_open(ALIVE_PATH, 077);

	return fd >= 0 && fcntl(fd, F_GETLK, &lock) == 0 &&
	       lock.l_type == F_UNLCK;
}
