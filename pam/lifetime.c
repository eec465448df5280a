// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The lifetime descriptor stays with the PAM handle.  Nothing is sent when it
 * goes: its end only makes the service look whether the leader still lives.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "cleanup.h"
#include "module.h"

#define KEY	"pam_yama_session:lifetime"

struct lifetime {
	int fd;
	dev_t dev;
	ino_t ino;
};

/*
 * Applications close every descriptor above 2 before they run the user's
 * program and may use the number again: close only what is still ours.
 */
static void forget(pam_handle_t *pamh, void *data, int status)
{
	struct lifetime *life = data;
	struct stat st;

	(void)pamh;
	(void)status;
	if (fstat(life->fd, &st) == 0 && st.st_dev == life->dev &&
	    st.st_ino == life->ino)
		close(life->fd);
	free(life);
}

/**
 * lifetime_keep - hand a lifetime descriptor to the handle
 * @pamh: the handle
 * @fd:   the descriptor, -1 on success, untouched on failure
 *
 * Return: 0, -ENOMEM, or what fstat(2) says.
 */
int lifetime_keep(pam_handle_t *pamh, int *fd)
{
	struct lifetime *life;
	struct stat st;

	if (fstat(*fd, &st) < 0)
		return -errno;
	life = malloc(sizeof(*life));
	if (!life)
		return -ENOMEM;
	*life = (struct lifetime) {
		.fd = *fd,
		.dev = st.st_dev,
		.ino = st.st_ino,
	};
	if (pam_set_data(pamh, KEY, life, forget) != PAM_SUCCESS) {
		free(life);
		return -ENOMEM;
	}
	*fd = -1;
	return 0;
}

void lifetime_drop(pam_handle_t *pamh)
{
	const void *data;

	/* libpam keeps the key and calls forget() for what was behind it */
	if (pam_get_data(pamh, KEY, &data) == PAM_SUCCESS && data)
		(void)pam_set_data(pamh, KEY, NULL, NULL);
}
