import re,subprocess,sys
sys.path.insert(0,'/tmp/h/scratch-me')
import ben, psycopg
src=open('/tmp/h/me/sql/deploy/kernel/entering.sql').read()
def fn(name):
    a=src.index(f"CREATE FUNCTION {name}("); b=src.index("$$;\n",src.index("AS $$",a))+4
    return src[a:b]
seal,login,as_,enter=[fn(n) for n in ("tenancy_private.seal_context","tenancy_private.check_login","tenancy_private.enter_as","tenancy.enter")]
def variant(tag, edits, noset):
    out=[]
    for f in (seal,login,as_,enter):
        for a,b in edits:
            f=f.replace(a,b)
        if noset and 'DEFINER' not in f: f=f.replace("SET search_path = pg_catalog, pg_temp\n","")
        for n in ("seal_context","check_login","enter_as"):
            f=f.replace("tenancy_private."+n+"(","tenancy_private."+n+"_"+tag+"(")
        f=re.sub(r"\benter_as\.","enter_as_"+tag+".",f); 
        f=f.replace("FUNCTION tenancy.enter(","FUNCTION tenancy.enter_"+tag+"(").replace("CREATE FUNCTION","CREATE OR REPLACE FUNCTION")
        out.append(f)
    return out
V={'same':([],False),'noset':([],True)}
by="""    ELSE
        SELECT 'bypasses row-level security' INTO sees_all
        FROM pg_roles AS r
        WHERE r.rolname = login AND r.rolbypassrls;
"""
assert by in login
moved=[(by,""),("    SELECT k.id, k.rotation, k.inner_block, k.outer_block INTO STRICT key\n","    SELECT k.id, k.rotation, k.inner_block, k.outer_block, r.rolbypassrls INTO STRICT key\n"),
("    LEFT JOIN tenancy_private.latch_scans AS l ON true\n","    LEFT JOIN tenancy_private.latch_scans AS l ON true\n    INNER JOIN pg_roles AS r ON r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role')::name END\n")]
V['moved']=(moved,False); V['movednoset']=(moved,True)
V['minus']=([(by,"")],True)
sup=psycopg.connect(ben.SUP,autocommit=True)
for k,(e,n) in V.items():
    sup.execute("SET ROLE tenancy_owner")
    for f in variant(k,e,n): sup.execute(f)
    sup.execute("RESET ROLE")
sup.execute("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tenancy TO tenancy_app")
ben.main(['tenancy.enter_'+k for k in V],rounds=9,n=800)
