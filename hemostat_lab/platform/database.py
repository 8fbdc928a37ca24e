"""The store's database: a cluster of its own on a loopback port, with a password and the shop's one table."""

from __future__ import annotations

import os

import psycopg
from psycopg import sql

from hemostat.site.placement import place
from hemostat.site.postgres import Cluster
from hemostat_lab.layout import Layout, Role

ACCESS = "local all postgres trust\nhost shop shop 127.0.0.1/32 scram-sha-256\n"
"""The owner by the private socket alone; the shop over TCP, by password. Nobody else."""

ACCESS_FILE = "access.conf"

TABLE = sql.SQL("""
    CREATE TABLE IF NOT EXISTS orders (
        id uuid PRIMARY KEY,
        user_id text NOT NULL,
        currency text NOT NULL,
        amount_cents integer NOT NULL,
        items jsonb NOT NULL,
        charge text,
        placed_at timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX IF NOT EXISTS orders_user ON orders (user_id, placed_at DESC);
    CREATE INDEX IF NOT EXISTS orders_latest ON orders (placed_at DESC);
    GRANT SELECT, INSERT, UPDATE, DELETE ON orders TO shop;
""")


def cluster(layout: Layout) -> Cluster:
    """The store's cluster, placed where the server's user can reach it."""
    placement = place(layout.folder)
    return Cluster(
        placement.cluster,
        placement.sockets,
        {
            "listen_addresses": "127.0.0.1",
            "port": str(layout.ports[layout.names[Role.STORE]]),
            "hba_file": str(placement.cluster / ACCESS_FILE),
            "max_connections": "40",
            "shared_buffers": "32MB",
            "synchronous_commit": "off",
        },
    )


def prepare(cluster: Cluster) -> None:
    """Make the cluster the first time, and say who may come in."""
    cluster.prepare()
    access = cluster.folder / ACCESS_FILE
    access.write_text(ACCESS)
    access.chmod(0o644)


def make_shop(cluster: Cluster, layout: Layout) -> None:
    """Make the shop's database, user and table where they are not there yet."""
    port = layout.ports[layout.names[Role.STORE]]
    owner = {"host": os.fspath(cluster.socket_dir), "port": port, "user": "postgres", "autocommit": True}
    with psycopg.connect(dbname="postgres", **owner) as connection:  # type: ignore[arg-type]
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'shop'").fetchone():
            connection.execute(sql.SQL("CREATE ROLE shop LOGIN PASSWORD {}").format(sql.Literal(layout.store_password)))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'shop'").fetchone():
            connection.execute("CREATE DATABASE shop")
    with psycopg.connect(dbname="shop", **owner) as connection:  # type: ignore[arg-type]
        connection.execute(TABLE)
