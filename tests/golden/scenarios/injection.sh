# One process takes another over.
sleep 5 &
victim=$!
/usr/bin/python3 -IS - "$victim" <<'PYTHON'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
victim = int(sys.argv[1])
libc.ptrace(16, victim, 0, 0)
os.waitpid(victim, 0x40000000)
libc.ptrace(17, victim, 0, 0)
PYTHON
kill "$victim"
