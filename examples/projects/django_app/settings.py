"""Minimal settings, with those of pg-tenancy."""

import os
from urllib.parse import parse_qsl, urlsplit

_url = urlsplit(os.environ["DATABASE_URL"])

DATABASES = {
    "default": {
        "ENGINE": "pg_tenancy.django",
        "ATOMIC_REQUESTS": True,
        "NAME": _url.path[1:],
        "USER": _url.username,
        "PASSWORD": _url.password or "",
        "HOST": _url.hostname or "",
        "PORT": _url.port or "",
        "OPTIONS": dict(parse_qsl(_url.query)),
    }
}
# List it after the middleware that authenticates.
MIDDLEWARE = ["pg_tenancy.django.middleware.workspace_middleware"]
PG_TENANCY_WHO = "django_app.tenancy.who"

INSTALLED_APPS = ["django_app"]
ROOT_URLCONF = "django_app.views"
SECRET_KEY = os.environ.get("SECRET_KEY", "only for this example")
ALLOWED_HOSTS = ["*"]
USE_TZ = True
