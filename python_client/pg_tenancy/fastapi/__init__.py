"""FastAPI: a dependency that gives a workspace."""

from pg_tenancy.fastapi.dependency import in_workspace

__all__ = ["in_workspace"]
