"""Django: a database engine and a middleware for transactions in a workspace.

```python
DATABASES = {"default": {"ENGINE": "pg_tenancy.django", "ATOMIC_REQUESTS": True, ...}}
MIDDLEWARE = [..., "pg_tenancy.django.middleware.workspace_middleware"]
PG_TENANCY_WHO = "myapplication.tenancy.who"
```
"""
