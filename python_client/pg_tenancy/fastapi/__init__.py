"""FastAPI: a dependency that gives a workspace, and a router with the endpoints of the whole platform."""

from pg_tenancy.fastapi.dependency import in_workspace
from pg_tenancy.fastapi.router import install_problems, tenancy_router

__all__ = ["in_workspace", "install_problems", "tenancy_router"]
