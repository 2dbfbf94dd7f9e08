"""The settings of the application; its tests name the database."""

INSTALLED_APPS = ["orms.django"]
DATABASES = {"default": {"ENGINE": "pg_tenancy.django", "ATOMIC_REQUESTS": True}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
SECRET_KEY = "for tests"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "orms.django.views"
MIDDLEWARE = ["pg_tenancy.django.middleware.workspace_middleware"]
PG_TENANCY_WHO = "orms.django.views.who"
