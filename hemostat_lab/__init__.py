"""The lab: a small shop of real services to watch, to break, and to heal.

Four services with two instances each and a store, every one a process of its own, speak HTTP and report by
the official OpenTelemetry SDK. What lives here stands outside the product: nothing in `hemostat` imports it,
and it imports nothing of `hemostat` but `hemostat.site.postgres` (the embedded database it runs its store
with) and, for the demo, `hemostat.site.supervisor`.

    layout      names, ports, secrets and folders of one lab
    shop/       the services and what they share
    platform/   the process manager, and the operations a plan may ask it for
    injector    breaks something, in the way it breaks in life; no plan can reach it
    traffic     users
    mailbox     a mail server that keeps what it is given
    demo        all of it together with Hemostat, told in plain sentences
"""
