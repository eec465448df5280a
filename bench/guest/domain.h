/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Domains for the measuring programs: scope relational, view domain unless said. */
#ifndef DOMAIN_H
#define DOMAIN_H

#include <err.h>
#include <sys/prctl.h>
#include "yama_abi.h"

static inline void enter_view(int view)
{
	if (prctl(PR_PTRACE_SCOPE, PR_PTRACE_SCOPE_ENTER,
		  PR_PTRACE_SCOPE_RELATIONAL, view, 0) < 0)
		err(1, "PR_PTRACE_SCOPE_ENTER");
}

static inline void enter_domain(void)
{
	enter_view(PR_PTRACE_VIEW_DOMAIN);
}

static inline int create_domain(void)
{
	int fd = prctl(PR_PTRACE_SCOPE, PR_PTRACE_SCOPE_CREATE,
		       PR_PTRACE_SCOPE_RELATIONAL, PR_PTRACE_VIEW_DOMAIN, 0);

	if (fd < 0)
		err(1, "PR_PTRACE_SCOPE_CREATE");
	return fd;
}

#endif /* DOMAIN_H */
