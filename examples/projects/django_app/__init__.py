"""Projects as a Django application: DJANGO_SETTINGS_MODULE=django_app.settings."""
