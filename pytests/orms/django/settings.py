"""The settings of the application; its tests name the database."""

INSTALLED_APPS = ["orms.django"]
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
