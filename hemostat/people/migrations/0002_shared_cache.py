"""The table behind Django's cache, as `DatabaseCache` reads and writes it; shared by all processes."""

from typing import ClassVar

from django.db import migrations


class Migration(migrations.Migration):
    dependencies: ClassVar = [("people", "0001_initial")]

    operations: ClassVar = [
        migrations.RunSQL(
            """
            create unlogged table people_shared_cache (
                cache_key varchar(255) primary key,
                value text not null,
                expires timestamptz not null
            );
            create index people_shared_cache_expires on people_shared_cache (expires);
            """,
            "drop table people_shared_cache",
        )
    ]
