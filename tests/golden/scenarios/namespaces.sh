# A new mount namespace, a mount in it, and a root of its own.
unshare -m sh -c 'mount -t tmpfs none /mnt && chroot / true'
