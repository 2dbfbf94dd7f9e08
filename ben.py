import re, statistics, sys
import psycopg
from psycopg import pq
log=open('/tmp/h/scratch-me/demo.log').read()
APP=re.search(r'new application: (post\S+)',log).group(1); SUP=re.search(r'deployer:\s+(post\S+)',log).group(1)
U,O=re.search(r"enter\('([0-9a-f-]+)', '([0-9a-f-]+)'",log).groups()
def cpu(pid): return int(open(f'/proc/{pid}/schedstat').read().split()[0])
def main(funcs, rounds=15, n=1500):
    conn=psycopg.connect(APP,autocommit=True); pid=conn.info.backend_pid
    pc=conn.pgconn
    stmts={'base':b'SELECT 1 WHERE $1::uuid is not null and $2::uuid is not null'}
    for f in funcs: stmts[f]=f'SELECT {f}($1::uuid,$2::uuid)'.encode()
    for k,s in stmts.items():
        r=pc.prepare(k.encode(),s); assert r.status==pq.ExecStatus.COMMAND_OK, r.error_message
    pc.prepare(b'b',b'BEGIN'); pc.prepare(b'c',b'COMMIT')
    args=[U.encode(),O.encode()]
    def run(k,n):
        with conn.pipeline() as p:
            for i in range(n):
                pc.send_query_prepared(b'b',[]) ; pc.send_query_prepared(k.encode(),args); pc.send_query_prepared(b'c',[])
                if True:
                    pc.pipeline_sync(); got=0
                    while True:
                        r=pc.get_result()
                        if r is None: continue
                        if r.status==pq.ExecStatus.PIPELINE_SYNC: break
                        if r.status==pq.ExecStatus.FATAL_ERROR: raise SystemExit(r.error_message.decode())
    res={k:[] for k in stmts}
    for k in stmts: run(k,300)
    for _ in range(rounds):
        for k in stmts:
            a=cpu(pid); run(k,n); res[k].append((cpu(pid)-a)/n/1000)
    base=statistics.median(res['base'])
    for k in stmts:
        m=statistics.median(res[k]); print(f'{k:40s} {m:7.1f} us  added {m-base:6.1f}  min {min(res[k])-min(res["base"]):6.1f}')
if __name__=='__main__': main(sys.argv[1:])
