# Password hashes, by name, by another name and through a link.
cat /etc/shadow
ln -s /etc/shadow "$SHRIKE_GOLDEN/innocent"
head -1 "$SHRIKE_GOLDEN/innocent"
cd /etc && cat ./../etc/shadow
