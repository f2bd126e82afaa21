# A cron entry, an authorized key, a preloaded library.
echo '* * * * * root true' >/etc/cron.d/shrike-golden
rm /etc/cron.d/shrike-golden
mkdir -p "$SHRIKE_GOLDEN/home/.ssh"
echo key >>"$SHRIKE_GOLDEN/home/.ssh/authorized_keys"
[ -e /etc/ld.so.preload ] || { : >/etc/ld.so.preload && rm /etc/ld.so.preload; }
