#!/usr/bin/env python3
"""Unmodified programs do in a microVM what they do on this host: the same shell lines, the same output, the same end.

usage: sandbox_same_test.py [LINE]...     (ends with 77 where something it needs is missing)
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile

from rig import BUILD, check, need

TRY = f"{BUILD}/bin/tests_sandbox_try"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

# Each is run by bash in an empty folder. Nothing in them may depend on a time, a pid, or what a host has set up.
LINES = [
    # pipelines, jobs, redirections
    "seq 1000 | sort -rn | head -3; seq 5 | tac | paste -sd,; cat <(echo sub) <(echo sub2); diff <(seq 3) <(seq 4)",
    "echo hi > p & wait; cat p; (echo one; sleep 0.1; echo two) | while read x; do echo got $x; done; trap 'echo bye' EXIT",
    "mkfifo q; (echo through > q &); cat q; yes | head -2; sleep 0.2 & wait $!; echo $?; (exit 3); echo $?; timeout 1 sleep 5; echo $?",
    "sh -c 'kill -TERM $$'; echo $?; coproc cat; echo back >&${COPROC[1]}; read x <&${COPROC[0]}; echo $x",
    "exec 3<>f; echo abc >&3; exec 3>&-; cat f; x=$(mktemp -d); ls -d $x | wc -l; cd $x; cd - >/dev/null; flock f echo locked",
    # coreutils on files
    "printf 'a b c\\n1 2 3\\n' > f; awk '{s+=$1} END{print NR, s}' f; sed s/a/X/ f; cut -d' ' -f2 f; tr a-z A-Z < f; wc f; md5sum f; sha256sum f; base64 f; od -c f",
    "mkdir -p a/b/c; touch a/b/c/f; find a | sort; tar cf t.tar a; gzip t.tar; zcat t.tar.gz | tar t; rm -r a; tar xzf t.tar.gz; find . | sort",
    "truncate -s 1G z; stat -c '%s %b' z; cp --sparse=always z y; stat -c %s y; dd if=/dev/zero of=d bs=1k count=100 2>/dev/null; split -b 30k d part; ls; cat part* | cmp - d",
    "ln -s target l; readlink l; echo x > f1; ln f1 f2; stat -c %h f1; mv f1 f3; cat f2 f3; chmod 4711 f3; stat -c %a f3; touch -d '2020-01-02 03:04:05 UTC' f3; stat -c %Y f3; mkfifo p; stat -c %F p",
    "printf '#!/bin/sh\\necho script $1\\n' > s; chmod +x s; ./s arg; chmod -x s; ./s 2>/dev/null; echo $?; cp /bin/echo e; ./e copied; ./missing 2>/dev/null; echo $?; printf 'echo plain\\n' > n; chmod +x n; ./n",
    "xargs -n1 echo < <(echo a b c); seq 100 | xargs -P2 -n10 echo | wc -l; gzip -c /bin/true | gunzip | cmp - /bin/true; expr 3 + 4; factor 1234567; realpath . | wc -l; getconf PAGESIZE; umask; id -u",
    # interpreters and libraries
    "busybox sh -c 'for i in a b; do echo $i; done; echo $((1<<10)); ls | wc -l'; busybox sha1sum /bin/true",
    "sqlite3 x.db 'create table a(b text primary key); insert into a values(\"q\"),(\"r\"); select count(*) from a; pragma integrity_check'; sqlite3 x.db .dump; sqlite3 x.db 'pragma journal_mode=wal; vacuum'",
    "echo data | openssl dgst -sha256; echo x > p; openssl enc -aes-256-cbc -pbkdf2 -k pw -in p -out c; openssl enc -d -aes-256-cbc -pbkdf2 -k pw -in c; openssl rand -hex 4 | wc -c",
    r"""perl -e 'open(F,">pf"); print F "x" x 1000; close F; print -s "pf", "\n"; print `echo sub`; fork() or exit 3; wait; print $?>>8, "\n"; $SIG{ALRM}=sub{print "alarm\n"}; alarm 1; sleep 5'""",
    # python3: processes, memory, events, files, sockets
    r"""/usr/bin/python3 -c $'import os,select,mmap\nr,w=os.pipe(); p=os.fork()\nif p==0: os.write(w,b"child"); os._exit(7)\nprint(os.read(r,10), os.waitpid(p,0)[1]>>8)\nopen("f","wb").write(b"a"*5000); m=mmap.mmap(os.open("f",os.O_RDWR),5000); m[4000:4003]=b"XYZ"; m.flush(); print(open("f","rb").read()[3998:4005])\ne=select.epoll(); e.register(r,select.EPOLLIN); os.write(w,b"x"); print(e.poll(1)==[(r,1)])'""",
    r"""/usr/bin/python3 -c $'import threading,signal,os\nl=[]; ts=[threading.Thread(target=l.append,args=(i,)) for i in range(8)]\nfor t in ts: t.start()\nfor t in ts: t.join()\nprint(sorted(l))\nsignal.signal(signal.SIGALRM,lambda s,f: print("got",s)); signal.setitimer(signal.ITIMER_REAL,0.05); signal.pause(); print(signal.sigtimedwait([signal.SIGUSR1],0.01))'""",
    r"""/usr/bin/python3 -c $'import concurrent.futures as c, multiprocessing as m\nwith c.ProcessPoolExecutor(2) as e: print(list(e.map(abs,[-1,-2])))\nq=m.Queue(); q.put(1); print(q.get())'""",
    r"""/usr/bin/python3 -c $'import os,fcntl\nf=os.open("l",os.O_CREAT|os.O_RDWR); fcntl.flock(f,fcntl.LOCK_EX); fcntl.lockf(f,fcntl.LOCK_EX); print(os.memfd_create("x")>0, os.readlink("/proc/self/fd/%d"%f).endswith("/l")); n=os.open(".",os.O_TMPFILE|os.O_RDWR); os.write(n,b"t"); os.link(f"/proc/self/fd/{n}","linked",follow_symlinks=True); print(open("linked").read()); os.posix_fallocate(f,0,1000); print(os.fstat(f).st_size, os.sendfile(n,f,0,10), os.copy_file_range(f,n,10,0,0)); os.setxattr("l","trusted.x",b"1"); print(os.getxattr("l","trusted.x"))'""",
    r"""/usr/bin/python3 -c $'import socket,os,threading\na,b=socket.socketpair(); r,w=os.pipe(); socket.send_fds(a,[b"x"],[w]); m,fds,fl,ad=socket.recv_fds(b,10,4); os.write(fds[0],b"via"); print(m,os.read(r,10),fl)\nu=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); u.bind("sock"); v=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); v.sendto(b"dg","sock"); print(u.recvfrom(10))\ns=socket.socket(); s.bind(("127.0.0.1",0)); s.listen()\ndef serve():\n    c,_=s.accept(); n=0\n    while d:=c.recv(65536): n+=len(d)\n    c.sendall(str(n).encode()); c.close()\nt=threading.Thread(target=serve); t.start(); c=socket.create_connection(s.getsockname()); c.sendall(b"z"*1000000); c.shutdown(socket.SHUT_WR); print(c.recv(100)); t.join()'""",
    r"""/usr/bin/python3 -c $'import asyncio\nasync def serve(r,w):\n    w.write((await r.read(100)).upper()); await w.drain(); w.close()\nasync def main():\n    s=await asyncio.start_server(serve,"127.0.0.1",0); r,w=await asyncio.open_connection(*s.sockets[0].getsockname()); w.write(b"hello"); await w.drain(); print(await r.read(100)); s.close()\n    p=await asyncio.create_subprocess_exec("cat",stdin=-1,stdout=-1); print(await p.communicate(b"in"), p.returncode)\nasyncio.run(main())'""",
    # a terminal of its own
    r"""/usr/bin/python3 -c $'import pty,os\np,m=pty.fork()\nif p==0: os.execvp("sh",["sh","-c","stty size; test -t 0 && echo terminal; read x; echo got $x"])\nos.write(m,b"typed\\n"); out=b""\nwhile True:\n    try: d=os.read(m,1000)\n    except OSError: break\n    if not d: break\n    out+=d\nprint(sorted(out.split(b"\\r\\n")), os.waitpid(p,0)[1])'""",
]


def on_host(line):
    with tempfile.TemporaryDirectory(prefix="shrike-same-") as folder:
        done = subprocess.run(["/bin/bash", "-c", line], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=60, env={"PATH": PATH, "HOME": "/root"})
    return done.stdout, done.returncode


def in_guest(line):
    done = subprocess.run([TRY, "own=1", "backend=microvm", "wall_ms=120000", "cpu_ms=120000", "memory=536870912",
                           "/bin/bash", "-c", "mkdir /tmp/empty && cd /tmp/empty; " + line],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=180)
    check(done.returncode == 0, f"no report: {done.stderr.decode(errors='replace')}")
    output, _, report = done.stdout.rstrip(b"\n").rpartition(b"\n")
    return output, json.loads(report)


def main():
    need("kvm", os.path.exists("/dev/kvm"))
    need("root", os.geteuid() == 0)
    bad = 0
    lines = sys.argv[1:] or LINES
    for line in lines:
        tools = ("sqlite3", "openssl", "perl", "busybox", "/usr/bin/python3")
        missing = [tool for tool in tools if line.startswith(tool) and shutil.which(tool) is None]
        need(" ".join(missing), not missing)
        output, code = on_host(line)
        said, report = in_guest(line)
        unknown = [r["call"] for r in report["refusals"] if r["reason"] != "outside its files"]
        if (said, report["status"], report["exit_code"], unknown) != (output, "ok", code, []):
            bad += 1
            print(f"--- {line}\nhost: exit {code}\n{output.decode(errors='replace')}guest: {report['status']}, exit "
                  f"{report['exit_code']}, {report['cause']}, refused {unknown}\n{said.decode(errors='replace')}", flush=True)
    print(f"{len(lines)} lines, {bad} differ")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
