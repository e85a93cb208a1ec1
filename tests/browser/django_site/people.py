"""Makes everybody whom the tests know: `python -m django_site.people ada bob`."""

import os
import sys

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "django_site.settings")

import django  # noqa: E402

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402

call_command("migrate", verbosity=0)
for name in sys.argv[1:]:
    User.objects.create_superuser(name, f"{name}@example.com", f"{name}'s password")
