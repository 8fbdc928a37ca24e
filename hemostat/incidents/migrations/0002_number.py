"""The sequence that numbers incidents: INC-1, INC-2 …"""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("incidents", "0001_initial")]
    operations = [
        migrations.RunSQL("create sequence incident_number", "drop sequence incident_number"),
    ]
