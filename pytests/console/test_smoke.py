from support.console import consoled, place_of
import pytest, time
from pg_tenancy.console._screens import SCREENS
def test_smoke(server, template, logins):
    t=time.time()
    with consoled(server, template, logins) as c:
        print("up", time.time()-t)
        for role,(user,org) in c.people.items():
            v=c.visitor(user)
            row=[]
            for k in SCREENS:
                t=time.time()
                a=v.get(f"{place_of(org)}/{k}")
                row.append(f"{k}={a.status_code}/{(time.time()-t)*1000:.0f}")
                if a.status_code>=500 or (a.status_code==422): print(k, a.text[-1500:])
            print(role, " ".join(row))
            print(v.get("/me/account").status_code)
        print(v.http.get("/api/openapi.json").status_code)
