"""FastAPI: a dependency that provides a workspace, and a router with the platform's endpoints."""

from pg_tenancy.fastapi.dependency import in_workspace
from pg_tenancy.fastapi.router import install_problems, tenancy_router
from pg_tenancy.fastapi.tickets import TicketKey

__all__ = ["TicketKey", "in_workspace", "install_problems", "tenancy_router"]
