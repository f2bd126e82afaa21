# What every host does all day: no alert.
ls /etc >/dev/null
cat /etc/hostname >/dev/null
touch "$SHRIKE_GOLDEN/file" && mv "$SHRIKE_GOLDEN/file" "$SHRIKE_GOLDEN/other" && rm "$SHRIKE_GOLDEN/other"
(true; true) | grep -q x
