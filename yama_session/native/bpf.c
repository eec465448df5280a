// SPDX-License-Identifier: GPL-2.0-or-later
/* The token of a domain that BPF programs keep: a sealed memfd with its key */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf_abi.h"
#include "yama_native.h"

#define SEALS	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const char magic[16] = "yama-session bpf";

struct token {
	char magic[sizeof(magic)];
	uint64_t key[2];
};

_Static_assert(sizeof(((struct token *)0)->key) == YS_BPF_KEY_SIZE, "all of it");

int ys_bpf_token(const unsigned char *key)
{
	struct token token;
	int fd, err;

	memcpy(token.magic, magic, sizeof(magic));
	memcpy(token.key, key, sizeof(token.key));
	fd = memfd_create("yama-session", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (write(fd, &token, sizeof(token)) == sizeof(token) &&
	    !fcntl(fd, F_ADD_SEALS, SEALS))
		return fd;
	err = errno;
	close(fd);
	return -err;
}

static int read_token(int fd, struct token *ret)
{
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return errno == EBADF ? -EBADF : -EINVAL;
	if ((seals & SEALS) != SEALS ||
	    pread(fd, ret, sizeof(*ret), 0) != sizeof(*ret) ||
	    memcmp(ret->magic, magic, sizeof(magic)))
		return -EINVAL;
	return 0;
}

int ys_bpf_key(int token_fd, unsigned char *ret)
{
	struct token token;
	int err = read_token(token_fd, &token);

	if (!err)
		memcpy(ret, token.key, sizeof(token.key));
	return err;
}

int ys_bpf_apply(int token_fd, unsigned int flags)
{
	struct token token;
	int err = read_token(token_fd, &token);

	return err ? err : ys_join_key(token.key[0], token.key[1], flags);
}
