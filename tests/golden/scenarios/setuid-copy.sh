# A set-user-id copy of a shell, and a program run from /tmp.
cp /bin/true "$SHRIKE_GOLDEN/shell"
chmod 4755 "$SHRIKE_GOLDEN/shell"
"$SHRIKE_GOLDEN/shell"
